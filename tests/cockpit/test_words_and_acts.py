"""Forms that become steps, messages that are opened, and how values are written."""

from __future__ import annotations

import pytest

from bench.cockpit.acts import ACTS, REQUEST, request_step, step_of
from bench.cockpit.messages import open_message
from bench.cockpit.model import NS, Awaited, Model
from bench.cockpit.words import countdown, fit, hex_lines
from bench.errors import UsageError
from bench.steps import Step
from tests.cockpit.recorded import answers, fold_until

_GIVEN = {
    "volts": "250",
    "length": "5 s",
    "slope": "2",
    "hertz": "50.5 Hz",
    "as": "IS",
    "to": "esme",
    "console": "console boost",
    "arguments": '{"minutes": 5}',
}


@pytest.mark.parametrize("act", [act for act in ACTS if act.name != REQUEST], ids=lambda act: act.name)
def test_every_act_makes_a_step_that_a_runbook_could_have(act: object) -> None:
    step = Step.model_validate(step_of(act, _GIVEN))  # type: ignore[arg-type]
    assert step.verb in ("supply", "relay", "send", "console")


def test_a_missing_value_is_named() -> None:
    with pytest.raises(UsageError, match="Voltage is missing.*253 V"):
        step_of(ACTS[0], {"volts": " "})


def test_a_service_request_takes_what_was_written_and_leaves_the_rest_to_the_rig() -> None:
    form = answers()["form"]
    key = "average_rms_over_voltage_threshold"
    step = request_step(form, {key: "253 V", "rms_voltage_sag_threshold": ""}, user="ED", target="esme", about="")
    assert step == {"send": {"service_request": "6.5", "to": "esme", "params": {key: "253 V"}}, "as": "ED"}
    listed = form | {"fields": [{"key": "rows", "kind": "list"}]}
    with pytest.raises(UsageError, match="rows: this is no JSON"):
        request_step(listed, {"rows": "[1,"}, user="ED", target="esme", about="gsme")


def test_a_message_is_taken_apart_with_its_bytes() -> None:
    model = fold_until(Model())
    alert = next(each for each in model.messages if each.code == "0x8002")
    opened = open_message(alert, answers()["raw"][str(alert.n)]["wire"], "")
    said, *forms = opened.trees
    assert said.find("signature") is not None
    assert any(tree.find("DUIS Response") for tree in forms)
    gbcs = next(tree for tree in forms if "(gbcs)" in tree.name)
    part = next(node for node in gbcs.walk() if node.offset and node.length)
    data = opened.bytes_of(part)
    assert data[:1] == b"\xdd"
    assert opened.bytes_of(None) == data
    assert opened.bytes_of(said) == b""
    nothing = open_message(alert, [], "the bytes are not kept")
    assert nothing.trees[0].faulty


def test_countdowns() -> None:
    waits = Awaited("N24", "come", "IS", "fall", None)
    assert countdown(waits, 0) == "waits for the fall"
    waits.due_ns = 90 * NS
    assert countdown(waits, 30 * NS) == "1 min 0 s left"
    assert countdown(waits, 91 * NS) == "time is over"
    waits.verdict, waits.latency_ns, waits.uncertainty_ns = "passed", 2 * NS, 20_000_000
    assert countdown(waits, 0) == "passed after 2.0 s ± 20 ms"


def test_texts_fit_and_bytes_have_places() -> None:
    assert fit("abcdef", 4) == "abc…"
    assert fit("a\x1b[31m\n", 8) == "a [31m  "
    assert hex_lines(b"AB\x00", 16) == ["00010  41 42 00" + " " * 39 + "  AB."]
