from __future__ import annotations

import pytest

from bench.duis.codes import dcc_alert_code, dcc_alert_codes, response_code, response_codes

CTSD_DCC_ALERTS = [
    "AD1",
    "N1",
    "N2",
    "N16",
    "N17",
    "N19",
    "N24",
    "N27",
    "N49",
    "N50",
    "N51",
    "N52",
    "N53",
    "N54",
    "N55",
    "N56",
    "N57",
    "N999",
]
CTSD_RESPONSE_CODES = ["E11", "E13", "E19", "E60", "E63", "E64"]


@pytest.mark.parametrize("code", CTSD_RESPONSE_CODES + ["I0", "I99"])
def test_codes_that_are_tested_have_a_meaning_and_a_source(code: str) -> None:
    assert response_code(code).meaning
    assert response_code(code).source
    assert code in str(response_code(code))


@pytest.mark.parametrize("code", CTSD_DCC_ALERTS)
def test_alerts_that_are_tested_have_a_meaning_a_source_and_a_body(code: str) -> None:
    known = dcc_alert_code(code)
    assert known.meaning
    assert known.source
    assert known.body


def test_nothing_is_guessed() -> None:
    codes = [(each.meaning, each.source) for each in response_codes().values()]
    alerts = [(each.meaning, each.source) for each in dcc_alert_codes().values()]
    assert all(bool(meaning) == bool(source) for meaning, source in codes + alerts)
    assert str(response_code("E65")) == "E65 (meaning not published)"
    assert str(dcc_alert_code("N3")) == "N3 (meaning not published)"


def test_a_code_tells_to_which_request_it_belongs() -> None:
    assert response_code("E081101").service_reference == "8.11"
    assert response_code("E010201").service_reference == "1.2"
    assert response_code("E13").service_reference is None
    assert str(response_code("E081101")) == "E081101 (error of 8.11)"
    assert str(response_code("W110101")) == "W110101 (warning of 11.1)"
    assert [response_code(code).is_error for code in ("I0", "I99", "W110101", "E19")] == [False, False, False, True]


def test_a_code_of_a_later_schema_is_no_error() -> None:
    assert str(response_code("E9999")) == "E9999 (meaning not published)"
    assert str(dcc_alert_code("N66")) == "N66 (meaning not published)"
