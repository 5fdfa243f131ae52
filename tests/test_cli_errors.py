"""Whatever is wrong: one clear message, the right exit code, never a traceback, and nothing half made left behind."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.clock import RealClock
from bench.evidence.verify import verify
from tests.rig.rig_files import ROOT, rig_with

EMULATED = str(ROOT / "rigs" / "emulated.yaml")
LAB = str(ROOT / "rigs" / "example-lab.yaml")
WAIT = "runbook: wait\ntitle: Wait\nsteps:\n  - wait: 1 s\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of its own for state and evidence, in which the project's runbooks are found."""
    monkeypatch.setenv("HILBENCH_STATE", str(tmp_path / "state"))
    (tmp_path / "runbooks").symlink_to(ROOT / "runbooks")
    (tmp_path / "wait.yaml").write_text(WAIT)
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def refused(code: int, *arguments: str) -> str:
    """Call, insist on the exit code and on one clear message, and return it."""
    result = call(*arguments)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit), "an orderly end, not an error that got through"
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert not Path("evidence").exists(), "nothing half made"
    lines = result.stderr.strip().splitlines()
    assert lines and lines[-1].startswith(("hilbench: ", "Error: ", "  ")) or lines[0].startswith("hilbench: ")
    return result.stderr


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, "cannot read none.yaml: No such file or directory"),
        ("", "bad.yaml:1: the file is empty"),
        ("rig: [\n", "this is not YAML"),
        ("a: &x 1\nb: *x\n", "bad.yaml:1: anchors and aliases"),
        ("just text\n", "expected a mapping"),
        ("rig: x\n", "devices is missing"),
        ("\x00", "this is not YAML"),
    ],
)
@pytest.mark.parametrize("command", ["run", "plan", "check"])
def test_a_bad_rig_file(command: str, text: str | None, what: str) -> None:
    name = "none.yaml"
    if text is not None:
        name = "bad.yaml"
        Path(name).write_text(text)
    arguments = ("rig", "check", name) if command == "check" else (command, "ic01", "--rig", name)
    assert what in refused(2, *arguments)


def test_a_rig_that_is_a_folder_or_no_text() -> None:
    assert "Is a directory" in refused(2, "run", "ic01", "--rig", ".")
    Path("bytes.yaml").write_bytes(b"rig: \xff\n")
    assert "bytes.yaml:1: the file is not UTF-8 text" in refused(2, "run", "ic01", "--rig", "bytes.yaml")


def test_mistakes_of_all_runbooks_are_told_at_once() -> None:
    Path("a.yaml").write_text("runbook: a\ntitle: A\nsteps:\n  - wait: 3\n")
    Path("b.yaml").write_text("runbook: b\ntitle: B\nsteps:\n  - supply: {set: 400 V}\n")
    for command in ("run", "plan"):
        text = refused(2, command, "a.yaml", "ic01", "b.yaml", "nonsense", "--rig", EMULATED)
        assert "a.yaml:4: steps.0.wait: '3' is not a duration" in text
        assert "b.yaml:4: 400 V is outside the rig's limits" in text
        assert "there is no runbook 'nonsense'. In " in text and "ic01, ic02" in text


def test_a_runbook_file_that_is_not_there() -> None:
    assert "there is no runbook file ./x.yaml" in refused(2, "run", "./x.yaml", "--rig", EMULATED)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["run", "--rig", EMULATED], "Missing argument 'RUNBOOKS...'"),
        (["run", "wait.yaml"], "Missing option '--rig'"),
        (["run", "wait.yaml", "--rig", EMULATED, "--fats"], "No such option '--fats'"),
        (["run", "wait.yaml", "--rig", EMULATED, "--seed", "-1"], "not in the range"),
        (["run", "wait.yaml", "--rig", EMULATED, "--seed", "one"], "not a valid int"),
        (["run", "wait.yaml", "--rig", EMULATED, "--seed", str(1 << 63)], "not in the range"),
        (["run", "wait.yaml", "--rig", EMULATED, "--speed", "nan"], "nan is not a number"),
        (["run", "wait.yaml", "--rig", EMULATED, "--speed", "0"], "not in the range"),
        (["run", "wait.yaml", "--rig", EMULATED, "--out", "wait.yaml"], "is a file"),
        (["rig"], "Usage:"),
        (["verify"], "Missing argument 'BUNDLE...'"),
    ],
)
def test_wrong_usage(arguments: list[str], what: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert what in result.output
    assert "Traceback" not in result.output
    assert not Path("evidence").exists()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--out", "wait.yaml/evidence"], "evidence cannot be written to wait.yaml/evidence: that is no folder"),
        (["--out", "/proc/evidence"], "/proc/evidence"),
        (["--speed", "10", "--realtime"], "--speed paces virtual time; this run is in real time"),
        (["--fault", "gremlins"], "gremlins"),
        (["--fault", "source-ignores@soon"], "soon"),
    ],
)
def test_options_that_cannot_be(arguments: list[str], what: str) -> None:
    code = 3 if "/proc/evidence" in arguments else 2
    assert what in refused(code, "run", "wait.yaml", "--rig", EMULATED, *arguments)


def test_what_only_an_emulated_rig_can_do() -> None:
    assert "faults can only be injected" in refused(2, "run", "wait.yaml", "--rig", LAB, "--fault", "source-ignores")
    assert "this run is in real time" in refused(2, "run", "wait.yaml", "--rig", LAB, "--speed", "10")
    assert "has no emulated world" in refused(2, "emulate", LAB)


def test_a_state_folder_that_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HILBENCH_STATE", str(Path("wait.yaml").absolute()))
    assert "the bench's key cannot be read or made" in refused(3, "run", "wait.yaml", "--rig", EMULATED)


def test_a_rig_without_its_keys() -> None:
    for arguments in (("run", "wait.yaml", "--rig", LAB), ("rig", "check", LAB)):
        text = refused(2, *arguments)
        assert "example-lab.yaml:" in text and "cannot read" in text and "keys/IS/ds.key" in text
    assert call("rig", "check", LAB, "--offline").exit_code == 0


def test_a_driver_section_that_is_wrong(tmp_path: Path) -> None:
    path = rig_with(tmp_path, "profile: scpi-99", "profil: scpi-99")
    assert "unknown key 'profil'; did you mean 'profile'?" in refused(2, "run", "wait.yaml", "--rig", str(path))


def test_devices_that_cannot_be_reached_are_all_named_and_no_evidence_is_begun() -> None:
    arguments = ("--fault", "source-silent", "--fault", "relay-silent")
    text = refused(3, "run", "wait.yaml", "--rig", EMULATED, *arguments)
    assert "these devices could not be reached" in text
    assert "source:" in text and "relay:" in text and "meter:" not in text


def test_a_secret_in_the_rig_file_is_not_put_in_evidence(tmp_path: Path) -> None:
    path = rig_with(tmp_path, "title: The emulated bench", "title: the code is 83FED3407A939723A5C639B26916D505")
    result = call("run", "wait.yaml", "--rig", str(path))
    assert result.exit_code == 3 and "Traceback" not in result.output
    assert "install code of esme" in result.stderr
    assert "83FED3407A939723A5C639B26916D505" not in result.output
    assert list(Path("evidence").iterdir()) == []


def test_a_bundle_that_is_none() -> None:
    Path("empty").mkdir()
    for name in ("none", "empty", "wait.yaml"):
        result = call("verify", name)
        assert result.exit_code == 1
        assert result.output.startswith(f"{name}: ")
        assert "Traceback" not in result.output
        assert json.loads(call("verify", name, "--json").output)[0]["bundle"] == name


@pytest.mark.parametrize(("fault", "code", "safe"), [("meter-silent@5s", 3, True), ("source-vanishes@5s", 4, False)])
def test_a_rig_that_was_not_left_parked_gets_no_further_run(fault: str, code: int, safe: bool) -> None:
    Path("long.yaml").write_text(WAIT.replace("1 s", "30 s"))
    result = call("run", "long.yaml", "wait.yaml", "--rig", EMULATED, "--fault", fault, "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["exit_code"]) == (code, code)
    assert [(run["runbook"], run["verdict"], run["safe"]) for run in report["runs"]] == [("wait", "undecided", safe)]
    assert len(list(Path("evidence").iterdir())) == 1


def test_a_passing_run_says_so_to_a_program_too() -> None:
    result = call("run", "wait.yaml", "--rig", EMULATED, "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["exit_code"]) == (0, 0)
    assert report["runs"][0]["verdict"] == "passed"
    assert verify(Path(report["runs"][0]["bundle"])).problem == ""


# Real processes.


def begin(*arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "bench.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.mark.realtime
@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (["--help"], 0, ""),
        (["--version"], 0, ""),
        (["run", "wait.yaml", "--rig", "none.yaml"], 2, "hilbench: cannot read none.yaml"),
        (["run", "wait.yaml", "--rig", EMULATED, "--nonsense"], 2, "No such option"),
        (["run", "wait.yaml", "--rig", EMULATED], 0, ""),
    ],
)
def test_a_process_ends_as_it_says(arguments: list[str], code: int, what: str) -> None:
    with begin(*arguments) as process:
        out, err = process.communicate(timeout=30)
    assert process.returncode == code, (out, err)
    assert what in err and "Traceback" not in err
    assert (err == "") is (what == "")


@pytest.mark.realtime
def test_a_reader_that_goes_away_changes_no_exit_code_and_spoils_no_run() -> None:
    Path("fail.yaml").write_text(
        "runbook: fail\ntitle: F\nsteps:\n  - wait: 1 s\n  - measure: {between: [1 V, 2 V]}\nteardown:\n  - wait: 1 s\n"
    )
    with begin("run", "fail.yaml", "--rig", EMULATED) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(30) == 1
    assert err == ""
    (bundle,) = Path("evidence").iterdir()
    report = verify(bundle)
    assert report.problem == ""
    assert '"verdict":"failed"' in (bundle / "journal.jsonl").read_text().splitlines()[-2]


@pytest.mark.realtime
@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">/dev/full"])
@pytest.mark.parametrize("more", ["", pytest.param("--json", marks=pytest.mark.soak)])
def test_an_output_that_takes_nothing_changes_no_exit_code(redirection: str, more: str) -> None:
    begun = [sys.executable, "-m", "bench.cli", "run", "wait.yaml", "--rig", EMULATED, *more.split()]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *begun],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert ("the output cannot be written: No space left" in done.stderr) is ("full" in redirection)


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("HILBENCH_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    assert "Set HILBENCH_STATE to a folder" in refused(2, "run", "wait.yaml", "--rig", EMULATED)


def test_a_file_that_never_ends() -> None:
    assert "larger than 4096 KiB" in refused(2, "run", "wait.yaml", "--rig", "/dev/zero")


def test_runs_that_begin_in_the_same_second_do_not_get_in_each_others_way(monkeypatch: pytest.MonkeyPatch) -> None:
    now = RealClock().now()
    monkeypatch.setattr(RealClock, "now", lambda _clock: now)
    for _ in range(3):
        assert call("run", "wait.yaml", "--rig", EMULATED).exit_code == 0
    stem = f"{now.utc:%Y%m%dT%H%M%SZ}-wait"
    assert sorted(path.name for path in Path("evidence").iterdir()) == [stem, f"{stem}-2", f"{stem}-3"]


@pytest.mark.realtime
def test_a_second_ctrl_c_does_not_take_the_exit_code_away() -> None:
    Path("long.yaml").write_text("runbook: long\ntitle: L\nsteps:\n  - wait: 10 min\n")
    with begin("run", "long.yaml", "--rig", EMULATED, "--realtime") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("long"):
                process.send_signal(signal.SIGINT)
            if line.startswith("  signed by"):
                break
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 3


@pytest.mark.realtime
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_is_made_safe_and_its_evidence_sealed(number: signal.Signals) -> None:
    Path("long.yaml").write_text("runbook: long\ntitle: L\nsteps:\n  - supply: {interrupt: {for: 10 min}}\n")
    with begin("run", "long.yaml", "wait.yaml", "--rig", EMULATED, "--realtime") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("long"):
                break
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 3, (out, err)
    assert err == ""
    assert "abort: " in out and "safe  relay: open" in out and "safe  source: output off" in out
    assert "long UNDECIDED" in out and "wait" not in out, "and nothing else is begun"
    (bundle,) = Path("evidence").iterdir()
    assert verify(bundle).problem == ""


@pytest.mark.parametrize(
    ("without", "term", "complaint"),
    [
        ("stderr", "xterm", "standard error is none"),
        pytest.param("stdin", "xterm", "standard input is none", marks=pytest.mark.soak),
        pytest.param("stdout", "xterm", "standard output is none", marks=pytest.mark.soak),
        pytest.param("", "dumb", "TERM is dumb", marks=pytest.mark.soak),
    ],
)
def test_the_cockpit_says_what_it_has_no_terminal_for(without: str, term: str, complaint: str) -> None:
    code, said = in_a_pty("tui", "rigs/emulated.yaml", without=without, TERM=term)
    assert (code, complaint in said) == (2, True), said
    assert "Traceback" not in said


def test_the_cockpit_without_any_rig_file_says_so(tmp_path: Path) -> None:
    code, said = in_a_pty("tui", cwd=tmp_path)
    assert code == 2
    assert f"there is no rig file in {tmp_path / 'rigs'}" in said.replace("\r\n", " ")
    assert "Traceback" not in said


def in_a_pty(*arguments: str, without: str = "", cwd: Path = ROOT, **more: str) -> tuple[int, str]:
    """Run the command line in a terminal of its own; how it ended, and what it said there and elsewhere."""
    master, slave = pty.openpty()
    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
    if without:
        streams[without] = subprocess.DEVNULL if without == "stdin" else subprocess.PIPE
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "200"} | more
    command = [sys.executable, "-m", "bench.cli", *arguments]
    said = b""
    with subprocess.Popen(command, cwd=cwd, env=environment, **streams) as process:
        os.close(slave)
        with contextlib.suppress(OSError):  # as a terminal ends
            while part := os.read(master, 4096):
                said += part
        os.close(master)
        said += b"".join(each.read() for each in (process.stdout, process.stderr) if each is not None)
    return process.returncode, said.decode()
