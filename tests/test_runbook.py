from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.runbook import find_runbook, load_runbook

ROOT = Path(__file__).parent.parent
HEAD = "runbook: x\ntitle: X\nsteps:\n"


def write(tmp_path: Path, steps: str, head: str = HEAD) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(head + steps)
    return path


@pytest.mark.parametrize("path", sorted((ROOT / "runbooks").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_runbook_in_the_repository_is_valid(path: Path) -> None:
    runbook = load_runbook(path)
    assert runbook.name == path.stem
    assert runbook.covers or runbook.name.startswith("bench-"), "a runbook says what it is evidence for"


@pytest.mark.parametrize(
    ("steps", "what"),
    [
        ("  - wait: 3 s\n    supply: {set: 230 V}\n", "needs exactly one of"),
        ("  - title: nothing\n", "needs exactly one of"),
        ("  - wait: 3\n", "'3' is not a duration"),
        ("  - send: {service_request: '8.11', to: chf}\n", "says as which User it acts"),
        ("  - wait: 1 s\n    expect: [{device_alert: 0x8F3, from: esme, within: 1 s}]\n", "write it as 0x8F35"),
        ("  - wait: 1 s\n    expect: [{device_alert: 0x8F35, within: 1 s}]\n", "say which device"),
        ("  - wait: 1 s\n    expect: [{dcc_alert: X24, within: 1 s}]\n", "write it as N24"),
        ("  - wait: 1 s\n    expect: [{dcc_alert: N24}]\n", "within is missing"),
        ("  - wait: 1 s\n    forbid: [{dcc_alert: N24, within: 1 s}]\n", "unknown key 'within'"),
        ("  - wait: 1 s\n    expect: [{han: joined, device: esme, within: 1 s}]\n", "did you mean 'join'?"),
        ("  - wait: 1 s\n    expect: [{han: join, within: 1 s}]\n", "say whose join"),
        ("  - wait: 1 s\n    expect: [{dcc_alert: N24, within: 1 s, after: lunch}]\n", "after is 'lunch'"),
        ("  - supply: {sag: {to: 200 V}}\n", "for is missing"),
        ("  - supply: {interrupt: {for: 0 s}}\n", "greater than 0"),
        ("  - supply: {set: 230 V, output: on}\n", "exactly one of"),
        ("  - procedure: no-such-thing\n", "there is no procedure"),
        ("  - procedure: ../x\n", "there is no procedure"),
        ("  - wiat: 3 s\n", "unknown key 'wiat'; did you mean 'wait'?"),
    ],
)
def test_each_mistake_is_one_sentence_with_its_line(tmp_path: Path, steps: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_runbook(write(tmp_path, steps))
    assert what in str(caught.value)
    assert "x.yaml:" in str(caught.value)


def test_a_procedure_is_written_out_in_place_and_keeps_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "procedures").mkdir()
    (tmp_path / "procedures" / "two-waits.yaml").write_text(
        "procedure: two-waits\nsteps:\n  - wait: 1 s\n  - wait: 2 s\n"
    )
    runbook = load_runbook(write(tmp_path, "  - procedure: two-waits\n  - wait: 3 s\n"))
    assert [placed.step.wait for placed in runbook.steps] == [1, 2, 3]
    assert "two-waits.yaml:3" in runbook.steps[0].where
    assert [document.path.name for document in runbook.documents] == ["x.yaml", "two-waits.yaml"]


def test_a_procedure_that_calls_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "procedures").mkdir()
    (tmp_path / "procedures" / "loop.yaml").write_text("procedure: loop\nsteps:\n  - procedure: loop\n")
    with pytest.raises(UsageError, match="calls itself"):
        load_runbook(write(tmp_path, "  - procedure: loop\n"))


def test_service_references_stay_what_they_are() -> None:
    runbook = load_runbook(ROOT / "runbooks" / "ic02.yaml")
    sent = [placed.step.send.service_request for placed in runbook.steps if placed.step.send]
    assert sent == ["12.2", "8.11", "8.1.1", "6.20.1"], "8.10 and 8.1 are different requests"


def test_an_unknown_name_lists_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(UsageError, match=r"ic01, ic02"):
        find_runbook("ic1")


def test_a_name_is_found_from_elsewhere_nearest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_runbook("ic01").samefile(ROOT / "runbooks" / "ic01.yaml"), "that of the project"
    folders = [tmp_path / "runbooks", tmp_path / "night"]
    for folder in folders:
        folder.mkdir()
        (folder / "ic01.yaml").write_text("runbook: ic01\n")
        assert find_runbook("ic01", beside=folders[1:]).samefile(folder / "ic01.yaml")
    assert find_runbook("ic01").samefile(folders[0] / "ic01.yaml")


def test_what_is_nowhere_says_where_was_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        find_runbook("ic1", beside=(tmp_path / "night",))
    text = str(caught.value)
    assert f"In {ROOT / 'runbooks'} there are: arm-supply, " in text
    assert f"Looked for in {tmp_path / 'night'}, {tmp_path / 'runbooks'}, {ROOT / 'runbooks'}" in text
    with pytest.raises(UsageError, match=f"Looked for {tmp_path}/night/x.yaml and {tmp_path}/x.yaml"):
        find_runbook("x.yaml", beside=(tmp_path / "night",))
    (tmp_path / "x.yaml").write_text("runbook: x\n")
    assert find_runbook("x.yaml", beside=(tmp_path / "night",)) == Path("x.yaml")
