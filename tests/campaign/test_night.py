"""What a night does with runs that pass, fail, flicker and lose their devices."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.campaign.attempt import AttemptResult
from bench.campaign.record import NightRecord, read_record
from bench.campaign.work import CampaignOptions
from bench.journal_reader import read_journal
from bench.virtual_time import VirtualLoop
from tests.campaign.campaigns import Script, entry, planned, run

ONE_S = timedelta(seconds=1)
RETRY = "retry: {times: 2, wait: 1 min}"


async def test_a_pass_after_a_retry_is_a_flaky_pass_and_every_attempt_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path, entry("e", repeats="3"), head=RETRY)
    script = Script({"e/han-join/a/2": ["failed", "undecided"], "e/han-join/a/3": ["failed"] * 3})
    ran = await run(plan, tmp_path / "out", monkeypatch, script)
    assert ran.outcomes == {
        "e/han-join/a/1": "passed",
        "e/han-join/a/2": "flaky pass",
        "e/han-join/a/3": "failed",
    }
    attempts = [each.data for each in read_record(ran.folder).entries if each.kind == "attempt"]
    ended = [(each["case"], each["attempt"], each["verdict"]) for each in attempts if each["state"] == "end"]
    assert ended == [
        (1, 1, "passed"),
        (2, 1, "failed"),
        (2, 2, "undecided"),
        (2, 3, "passed"),
        (3, 1, "failed"),
        (3, 2, "failed"),
        (3, 3, "failed"),
    ]
    waits = [began - ended for (_, _, _, ended), (_, _, began, _) in zip(script.spans, script.spans[1:], strict=False)]
    assert waits == pytest.approx([0, 60, 60, 0, 60, 60], abs=0.1)


async def test_no_retry_of_a_verdict_that_the_file_does_not_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path, entry("e", repeats="2"), head="retry: {times: 5, on: [undecided]}")
    script = Script({"e/han-join/a/1": ["failed"], "e/han-join/a/2": ["undecided"]})
    ran = await run(plan, tmp_path / "out", monkeypatch, script)
    assert list(ran.outcomes.values()) == ["failed", "flaky pass"]


@pytest.mark.parametrize(
    ("rule", "ran_after"),
    [
        ("go on", ["e/han-join/a/2", "f/han-join/a/1", "f/han-join/b/1"]),
        ("next entry", ["f/han-join/a/1", "f/han-join/b/1"]),
        ("stop rig", ["f/han-join/b/1"]),
        ("stop", []),
    ],
)
async def test_what_follows_a_failure_is_as_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, ran_after: list[str]
) -> None:
    waits = {"only_if": "{entry: e, ended: [passed, failed, skipped, flaky pass]}"}
    entries = (entry("e", rigs="[a]", repeats="2"), entry("f", **waits))
    plan = planned(tmp_path, *entries, head=f"after_failure: {rule}", rigs=("a", "b"))
    ran = await run(plan, tmp_path / "out", monkeypatch, Script({"e/han-join/a/1": ["failed"]}))
    assert sorted(ran.script.ran) == sorted(["e/han-join/a/1", *ran_after])
    assert not ran.state.left()


async def test_conditions_wait_for_what_they_name_also_on_another_rig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(
        tmp_path,
        entry("first", rigs="[a]", repeats="2"),
        entry("good", rigs="[b]", only_if="{entry: first, ended: [passed]}"),
        entry("bad", rigs="[b]", only_if="{entry: first, ended: [failed]}"),
        rigs=("a", "b"),
    )
    ran = await run(plan, tmp_path / "out", monkeypatch, Script())
    assert ran.outcomes["good/han-join/b/1"] == "passed"
    assert ran.outcomes["bad/han-join/b/1"] == "skipped"
    assert "only if first ended failed, and it was passed" in ran.reason("bad/han-join/b/1")
    good = next(began for name, _, began, _ in ran.script.spans if name.startswith("good"))
    assert good >= 200


async def test_until_and_at_most_bound_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(
        tmp_path,
        entry("until", until="failed", at_most="{runs: 9}"),
        entry("time", repeats="50", at_most="{time: 250 s}"),
    )
    ran = await run(plan, tmp_path / "out", monkeypatch, Script({"until/han-join/a/3": ["failed"]}))
    assert sum(name.startswith("until") for name in ran.script.ran) == 3
    assert sum(name.startswith("time") for name in ran.script.ran) == 3
    assert "repeated until failed, which came" in ran.reason("until/han-join/a/4")


async def test_windows_hold_runs_back_and_keep_out_those_that_would_not_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 3 min each; the night begins at midnight.
    plan = planned(tmp_path, entry("e", repeats="4", window='{opens: "02:00", closes: "02:10"}'))
    script = Script(takes_s=180)
    ran = await run(plan, tmp_path / "out", monkeypatch, script)
    assert list(ran.outcomes.values()) == ["passed", "passed", "passed", "blocked"]
    assert script.spans[0][2] == pytest.approx(7200, abs=1)
    assert "02:10" in ran.reason("e/han-join/a/4")


async def test_a_lost_device_blocks_what_depends_on_it_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(
        tmp_path,
        entry("first", "han-join"),
        entry("again", "han-join"),
        entry("outage", "supply-outage-short"),
        entry("other", "han-join", rigs="[b]"),
        rigs=("a", "b"),
    )
    lost = AttemptResult(1, "undecided", "the sniffer is silent", lost=("sniffer",))
    ran = await run(plan, tmp_path / "out", monkeypatch, Script({"first/han-join/a/1": [lost]}))
    assert ran.outcomes == {
        "first/han-join/a/1": "undecided",
        "first/han-join/b/1": "passed",
        "again/han-join/a/1": "blocked",
        "again/han-join/b/1": "passed",
        "outage/supply-outage-short/a/1": "passed",
        "outage/supply-outage-short/b/1": "passed",
        "other/han-join/b/1": "passed",
    }
    assert "sniffer is in quarantine: lost in first/han-join/a/1: the sniffer is silent" in ran.reason(
        "again/han-join/a/1"
    )


async def test_a_rig_that_is_unsafe_gets_no_second_attempt_and_no_other_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path, entry("e", repeats="2"), head=RETRY)
    bad = AttemptResult(1, "undecided", "the relay did not open", safe=False, parked=False)
    ran = await run(plan, tmp_path / "out", monkeypatch, Script({"e/han-join/a/1": [bad]}))
    assert ran.script.ran == ["e/han-join/a/1"]
    assert ran.outcomes["e/han-join/a/2"] == "blocked"
    assert ran.state.unsafe


async def test_a_mistake_in_the_bench_itself_costs_one_run_and_not_the_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path, entry("e", repeats="2"))
    ran = await run(plan, tmp_path / "out", monkeypatch, Script({"e/han-join/a/1": [TypeError("no volts")]}))
    assert ran.outcomes == {"e/han-join/a/1": "undecided", "e/han-join/a/2": "passed"}
    (attempt,) = ran.state.cases[1].attempts
    assert attempt.reason == "the bench itself failed: TypeError('no volts')"
    (defect,) = [each for each in read_record(ran.folder).entries if each.kind == "defect"]
    assert "TypeError: no volts" in defect.volatile["traceback"]


async def test_a_full_disk_blocks_runs_before_they_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(tmp_path, entry("e"), head="retention: {free_mb: 999999999}")
    ran = await run(plan, tmp_path / "out", monkeypatch, Script())
    assert not ran.script.ran
    assert ran.outcomes == {"e/han-join/a/1": "blocked"}
    assert "999999999 MB must be" in ran.reason("e/han-join/a/1")


async def test_rigs_work_side_by_side_but_for_what_they_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(tmp_path, entry("e"), rigs=("a", "b", "c"))
    for name in ("a", "b"):
        with (tmp_path / f"rig-{name}.yaml").open("a") as file:
            file.write("shared: {source: lab-source}\n")
    plan = planned(tmp_path, entry("e", repeats="3"), rigs=("a", "b", "c"))
    ran = await run(plan, tmp_path / "out", monkeypatch, Script())
    spans = sorted((began, ended) for _, rig, began, ended in ran.script.spans if rig in ("a", "b"))
    assert all(ended <= began + 0.1 for (_, ended), (began, _) in zip(spans, spans[1:], strict=False))
    third = [ended for _, rig, _, ended in ran.script.spans if rig == "c"]
    assert max(third) == pytest.approx(300, abs=1)
    # The queue is fair: nobody has two turns while another waits.
    turns = [rig for _, rig, _, _ in sorted(ran.script.spans, key=lambda span: span[2]) if rig != "c"]
    assert turns in (["a", "b"] * 3, ["b", "a"] * 3)
    assert plan.usual_s == pytest.approx(6 * 180, rel=0.1)


class Killed(BaseException):
    """Not an error that anybody handles."""


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.integers(1, 20), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_a_night_that_is_killed_anywhere_ends_as_the_unbroken_one_and_repeats_nothing(
    tmp_path_factory: pytest.TempPathFactory, kills: list[int], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    head = f"order: shuffled\nseed: {seed}\n{RETRY}"
    plan = planned(folder, entry("e", repeats="3"), entry("f", only_if="{entry: e}"), head=head, rigs=("a", "b"))
    verdicts: dict[str, list[str | AttemptResult]] = {"e/han-join/a/2": ["failed"], "e/han-join/b/1": ["failed"] * 3}

    def once(limit: int, resume: Path | None, script: Script) -> Path | None:
        """Run until so many entries are on record; the night if it was killed then."""
        with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=VirtualLoop) as runner:
            count = 0
            note = NightRecord.note

            async def counted(self: NightRecord, *arguments: object) -> None:
                nonlocal count
                count += 1
                if count > limit:
                    raise Killed
                await note(self, *arguments)  # type: ignore[arg-type]

            patch.setattr(NightRecord, "note", counted)
            try:
                ran = runner.run(run(plan, folder / "out", patch, script, resume=resume))
            except (Killed, BaseExceptionGroup):
                return next(iter((folder / "out").glob("test-*")))
            results.append(ran.outcomes)
            return None

    results: list[dict[str, str]] = []
    night: Path | None = None
    began: list[str] = []
    for limit in (*kills, 10_000):
        script = Script(verdicts)
        if night is not None:
            done = _ended_attempts(night)
            script.verdicts = {
                name: found[sum(1 for each in done if each == name) :] for name, found in verdicts.items()
            }
            ended = _ended_cases(night)
        else:
            ended = set()
        night = once(limit, night, script)
        assert not ended & set(script.ran), "what had ended was repeated"
        began += script.ran
        if night is None:
            break
    assert results == [
        {
            **{f"e/han-join/{rig}/{number}": "passed" for rig in "ab" for number in (1, 2, 3)},
            "e/han-join/a/2": "flaky pass",
            "e/han-join/b/1": "failed",
            "f/han-join/a/1": "passed",
            "f/han-join/b/1": "skipped",
        }
    ]


def _ended_attempts(night: Path) -> list[str]:
    names = {}
    done = []
    for each in read_record(night).entries:
        if each.kind == "attempt" and each.data["state"] == "start":
            names[each.data["case"]] = each.data["name"]
        elif each.kind == "attempt" and each.data["state"] == "end" and not each.data["interrupted"]:
            done.append(names[each.data["case"]])
    return done


def _ended_cases(night: Path) -> set[str]:
    return {each.data["name"] for each in read_record(night).entries if each.kind == "case"}


def test_one_campaign_gives_one_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = set()
    for name in ("one", "two"):
        plan = planned(tmp_path, entry("e", repeats="2"), head="order: shuffled", rigs=("a", "b"))
        start = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)
        options = CampaignOptions(tmp_path / name, tmp_path / "state", virtual_from=start)
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            ran = runner.run(run(plan, tmp_path / name, monkeypatch, Script(), options=options))
        reader = read_journal(ran.folder / "journal.jsonl")
        records = list(reader)
        assert records[0].at.utc - start < ONE_S
        assert reader.seal is not None
        bodies.add(reader.body)
    assert len(bodies) == 1
