"""A console's description in the rig file, and how its lines are told apart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.console_config import CommandConfig, ConsoleConfig, compile_pattern
from drivers.console_line import LineAssembler
from tests.drivers.console_bench import LOGIN, RIG


class Collector:
    def __init__(self, prompt: str) -> None:
        self.prompt = re.compile(prompt)
        self.seen: list[tuple[str, str]] = []

    def on_line(self, text: str) -> None:
        self.seen.append(("line", text))

    def on_prompt(self) -> None:
        self.seen.append(("prompt", ""))

    def on_tail(self, text: str) -> None:
        assert not self.prompt.match(text)

    def on_garbage(self, what: str, text: str) -> None:
        self.seen.append(("garbage", what))

    def on_lost(self, cause: str) -> None:
        self.seen.append(("lost", cause))


@given(
    st.lists(st.sampled_from(["meter> ", "a line\r\n", "b\n", "c\r", "\xff\r\n", "meter> x\r\n", "y" * 40 + "\r\n"])),
    st.lists(st.integers(1, 7)),
)
def test_lines_do_not_depend_on_how_bytes_arrive(pieces: list[str], cuts: list[int]) -> None:
    data = "".join(pieces).encode("latin-1")

    def collect(chunks: list[bytes]) -> list[tuple[str, str]]:
        collector = Collector("meter> ")
        assembler = LineAssembler(collector, collector.prompt, 32)
        for chunk in chunks:
            assembler.data_received(chunk)
        return collector.seen

    chunks, rest = [], data
    for cut in cuts:
        chunks.append(rest[:cut])
        rest = rest[cut:]
    assert collect([*chunks, rest]) == collect([bytes([byte]) for byte in data])


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_bytes_are_taken_in_bounded_memory(chunks: list[bytes]) -> None:
    collector = Collector("meter> ")
    assembler = LineAssembler(collector, collector.prompt, 32)
    for chunk in chunks:
        assembler.data_received(chunk)
        assert len(assembler._buffer) <= 32


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"resource": "COM3"}, "is no serial port"),
        ({"resource": "socket://host"}, "is no serial port"),
        ({"prompt": "meter> *"}, None),
        ({"prompt": "(meter> )*"}, "found where nothing is printed"),
        ({"prompt": "["}, "no regular expression"),
        ({"prompt": "(a+)+b"}, "could take for ever"),
        ({"commands": {}}, "at least 1"),
        ({"commands": {"a": {"send": "x {y}"}}}, "an argument 'y' that `arguments` does not describe"),
        ({"commands": {"a": {"send": "x", "arguments": {"y": "1"}}}}, "does not occur"),
        ({"commands": {"a": {"send": "x {y!r}", "arguments": {"y": "1"}}}}, "nothing more"),
        ({"commands": {"a": {"send": "x {y.z}", "arguments": {"y": "1"}}}}, "nothing more"),
        ({"commands": {"a": {"send": "x {"}}}, "unbalanced braces"),
        ({"commands": {"a": {"send": "x\ny"}}}, "printable"),
        ({"commands": {"a": {"send": "x", "reply": ["(?P<v>a)", "(?P<v>b)"]}}}, "two patterns"),
        ({"commands": {"a": {"send": "x", "timeout": "5"}}}, "number and a unit"),
        ({"probe": "supply"}, "probe 'supply'"),
        ({"probe": "nothing"}, "probe 'nothing'"),
        ({"login": LOGIN}, "belong together"),
        ({"password_file": "x"}, "belong together"),
        ({"login": [{"expect": "a", "send": "b", "password": True}]}, "give one of them"),
        ({"baud": "9600 Bd"}, "valid integer"),
        ({"data_bits": "9"}, "'7' or '8'"),
        ({"max_line": "1000000"}, "less than or equal to 1024"),
        ({"colour": "green"}, "Extra inputs"),
    ],
)
def test_bad_descriptions_are_refused_at_load(fields: dict[str, Any], words: str | None) -> None:
    whole = {"resource": "/dev/ttyS0"} | RIG | fields
    if words is None:
        ConsoleConfig.model_validate(whole)
        return
    with pytest.raises(ValidationError, match=re.escape(words)):
        ConsoleConfig.model_validate(whole)


@pytest.mark.parametrize(
    "text", ["(a+)+", "(a|b)*x", "((a*))+", "(?:x(y{2,})z)*", "(?P<n>a*b)+c", r"([a-z]+\.)+x", "(a*+b*)*"]
)
def test_patterns_that_could_run_for_ever_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="could take for ever"):
        compile_pattern(text)


@pytest.mark.parametrize(
    "text",
    [r"a+b+", r"(a+)?", r"(ab)+", r"[(a+)+]+", r"\(a+\)+", r"(on|off) (\d+)", r"(?>a+)+", r"(a++b)*", r"([]*+)]b)+"],
)
def test_ordinary_patterns_are_allowed(text: str) -> None:
    assert compile_pattern(text).pattern == text


def test_braces_can_be_sent() -> None:
    command = CommandConfig(send="set {{{name}}}", arguments={"name": compile_pattern(r"\w+")})
    assert command.render({"name": "x"}) == "set {x}"


def test_the_documented_example_is_a_description() -> None:
    page = (Path(__file__).parents[2] / "docs" / "console.md").read_text()
    example = yaml.load(page.split("```")[1].removeprefix("yaml"), yaml.BaseLoader)
    assert example.pop("driver") == "serial-console"
    config = ConsoleConfig.model_validate(example)
    assert config.commands["supply"].render({"state": "arm"}) == "supply arm"
