"""SCPI as the emulated instruments read it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.emulated.scpi_grammar import (
    QUEUE_LENGTH,
    Entry,
    Interpreter,
    ScpiError,
    boolean,
    integer,
    keyword,
    number,
    one,
)


class Toy:
    """An instrument of one number and one word."""

    def __init__(self) -> None:
        self.volts, self.word, self.resets = 230.0, "", 0
        self.language = Interpreter(
            "A,B,C,D",
            self._reset,
            {
                "[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]": Entry(self._set, lambda _: f"{self.volts:g}"),
                "[SOURce:]VOLTage:WORD": Entry(self._say, lambda _: self.word),
                "MEASure[:SCALar]:VOLTage[:AC]": Entry(query=lambda _: f"{self.volts:.1f}"),
            },
        )

    def _reset(self) -> None:
        self.resets += 1

    def _set(self, parameters: Sequence[str]) -> None:
        self.volts = number(one(parameters), "V", 0.0, 300.0)

    def _say(self, parameters: Sequence[str]) -> None:
        self.word = "|".join(parameters)

    def error(self) -> str | None:
        return self.language.execute("SYST:ERR?")


@pytest.mark.parametrize(
    "header",
    [
        "VOLT",
        "voltage",
        "VoLt",
        ":VOLT",
        "SOUR:VOLT",
        ":source:voltage:level:immediate:amplitude",
        "SOURce:VOLT:LEV",
        "SOUR1:VOLT",
        "VOLT:AMPL",
    ],
)
def test_long_and_short_forms_in_any_case(header: str) -> None:
    toy = Toy()
    assert toy.language.execute(f"{header} 207") is None
    assert toy.language.execute(f"{header}?") == "207"
    assert toy.error() == '0,"No error"'


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("VOLTA 207", -113),
        ("VOL 207", -113),
        ("NOSUCH", -113),
        ("MEAS:VOLT 3", -113),
        ("*RST?", -113),
        ("*IDN", -113),
        ("VOLT", -109),
        ("VOLT 1,2", -108),
        ("VOLT abc", -104),
        ("VOLT 1.2.3", -104),
        ("VOLT 230HZ", -131),
        ("VOLT 230XV", -131),
        ("VOLT 300.01", -222),
        ("VOLT -1", -222),
        ("VOLT 1E6", -222),
        ("7VOLT", -102),
        ("VOLT!? 3", -102),
        ("?", -102),
    ],
)
def test_what_cannot_be_read_is_an_error_of_its_kind(message: str, code: int) -> None:
    toy = Toy()
    assert toy.language.execute(message) is None
    assert str(toy.error()).startswith(f"{code},")
    assert toy.error() == '0,"No error"'
    assert toy.volts == 230.0


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("230", "V", 230.0),
        ("230V", "V", 230.0),
        ("230 v", "V", 230.0),
        ("1.5E+2", "V", 150.0),
        ("1.5 e +2 V", "V", 150.0),
        ("0.23kV", "V", 230.0),
        ("150 MV", "V", 0.15),
        ("150 uV", "V", 150e-6),
        (".5", "", 0.5),
        ("+7.", "", 7.0),
        ("0.05kHz", "HZ", 50.0),
        ("5E-5MHz", "HZ", 50.0),
        ("100ms", "S", 0.1),
        ("100ms", "MS", 100.0),
        ("0.1 s", "MS", 100.0),
        ("50%", "%", 50.0),
        ("MIN", "V", 0.0),
        ("maximum", "V", 300.0),
    ],
)
def test_numbers_and_their_suffixes(text: str, unit: str, value: float) -> None:
    assert number(text, unit, 0.0, 300.0) == pytest.approx(value)


@given(st.floats(min_value=0.0, max_value=300.0), st.sampled_from(["", "V", " v"]))
def test_any_number_in_range_is_read_exactly(value: float, suffix: str) -> None:
    assert number(f"{value!r}{suffix}", "V", 0.0, 300.0) == value


def test_words_and_switches() -> None:
    assert [boolean(text) for text in ("ON", "off", "1", "0", "0.4", "-3")] == [True, False, True, False, False, True]
    assert [keyword(text, "TIME", "CYCLe") for text in ("time", "CYCL", "cycle")] == ["TIME", "CYCLE", "CYCLE"]
    assert integer("2.6", 0, 5) == 3
    for bad in (lambda: boolean("maybe"), lambda: keyword("CYC", "TIME", "CYCLe")):
        with pytest.raises(ScpiError) as info:
            bad()
        assert info.value.code == -224


def test_one_message_may_hold_many_commands() -> None:
    toy = Toy()
    assert toy.language.execute("SOUR:VOLT 100;VOLT?;:MEAS:VOLT?;*IDN?;VOLT:AC?") == "100;100.0;A,B,C,D;100.0"
    assert toy.language.execute(" ; VOLT 5 ;; VOLT? ; ") == "5"


def test_a_header_goes_on_from_the_level_of_the_one_before() -> None:
    toy = Toy()
    assert toy.language.execute("VOLT:WORD yes;LEV 7;WORD?") == "yes"
    assert toy.volts == 7.0
    toy.language.execute("MEAS:VOLT?;WORD no")
    assert toy.error() == '-113,"Undefined header"'


def test_after_a_command_error_the_rest_of_the_message_is_given_up() -> None:
    toy = Toy()
    assert toy.language.execute("VOLT 400;VOLT?") == "230", "an execution error is no reason to stop"
    assert toy.language.execute("VOLT?;NONSENSE;VOLT 7") == "230"
    assert toy.volts == 230.0


def test_separators_in_quotes_separate_nothing() -> None:
    toy = Toy()
    toy.language.execute("VOLT:WORD 'a;b,c',\"d;e\"")
    assert toy.word == "'a;b,c'|\"d;e\""


def test_the_queue_overflows_in_its_last_place() -> None:
    toy = Toy()
    for _ in range(QUEUE_LENGTH + 9):
        toy.language.execute("NONSENSE")
    errors = [toy.error() for _ in range(QUEUE_LENGTH + 1)]
    assert errors == ['-113,"Undefined header"'] * (QUEUE_LENGTH - 1) + ['-350,"Queue overflow"', '0,"No error"']


def test_common_commands() -> None:
    toy = Toy()
    ask = toy.language.execute
    assert ask("*ESR?") == "128"
    ask("*ESE 48;*OPC")
    assert (ask("*ESE?"), ask("*STB?")) == ("48", "0")
    ask("VOLT 400")
    assert (ask("*STB?"), ask("*ESR?"), ask("*ESR?")) == ("32", "17", "0")
    ask("NONSENSE")
    ask("*CLS")
    assert (ask("*ESR?"), toy.error()) == ("0", '0,"No error"')
    ask("*RST;*WAI")
    assert (toy.resets, ask("*OPC?"), ask("*TST?"), ask("SYST:VERS?")) == (1, "1", "0", "1999.0")


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["VOLT", ":", ";", " ", "?", "*", "1", "V", ",", "'", "ESE"])).map("".join)
)
@example("VOLT 1e999")
@example("*ESE nan")
@example("VOLT\t7")
def test_whatever_is_sent_there_is_an_answer_or_none_and_never_an_exception(message: str) -> None:
    toy = Toy()
    reply = toy.language.execute(message)
    assert reply is None or isinstance(reply, str)
    assert toy.language.execute("*CLS;*OPC?") == "1"
