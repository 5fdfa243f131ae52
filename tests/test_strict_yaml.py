from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field

from bench.errors import UsageError
from bench.strict_yaml import build, load, parse

FILE = Path("thing.yaml")


def tree(text: str) -> object:
    return parse(FILE, text).root


def test_every_scalar_stays_the_text_that_was_written() -> None:
    text = "a: 8.10\nb: no\nc: 12:30\nd: 010\ne: 1e3\nf: null\ng: ~\nh: 2026-01-01\ni: '0x10'\n"
    assert tree(text) == {
        "a": "8.10",
        "b": "no",
        "c": "12:30",
        "d": "010",
        "e": "1e3",
        "f": "null",
        "g": "~",
        "h": "2026-01-01",
        "i": "0x10",
    }


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: 1\na: 2\n", 2, "stands twice"),
        ("a: &x 1\nb: *x\n", 1, "anchors"),
        ("a: !!int 1\n", 1, "tag"),
        ("a: !python/object:os.system x\n", 1, "tag"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: [1\n", 2, "not YAML"),
        ("a:\n  - b\n c: 1\n", 3, "not YAML"),
        ("", 1, "empty"),
        ("? [a]\n: 1\n", 1, "plain text"),
        ("a: " + "[" * 60 + "]" * 60, 1, "deep"),
    ],
)
def test_what_is_not_strict_yaml_is_refused_with_its_line(text: str, line: int, what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        tree(text)
    assert str(caught.value).startswith(f"thing.yaml:{line}:")


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    volts: int
    name: str = ""


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    items: tuple[Inner, ...] = ()


def test_every_mistake_is_named_with_its_own_line_and_a_correction() -> None:
    document = parse(FILE, "titel: x\nitems:\n  - volts: many\n  - voltz: 3\n    volts: 4\n")
    with pytest.raises(UsageError) as caught:
        build(document, Outer)
    lines = str(caught.value).splitlines()
    assert lines == [
        "thing.yaml:1: title is missing; it must be given",
        "thing.yaml:1: unknown key 'titel'; did you mean 'title'?",
        "thing.yaml:3: items.0.volts is 'many'; input should be a valid integer, unable to parse string as an integer",
        "thing.yaml:4: unknown key 'voltz'; did you mean 'volts'?",
    ]


def test_a_file_that_is_not_there_or_not_text_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        load(tmp_path / "none.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(UsageError, match="bad.yaml:2: the file is not UTF-8"):
        load(bad)
    with pytest.raises(UsageError, match="cannot read"):
        load(tmp_path)


def test_a_secret_with_a_slip_in_it_is_not_repeated() -> None:
    class Login(BaseModel):
        receive_token: int

    with pytest.raises(UsageError, match="receive_token is '.not shown.'") as caught:
        build(parse(FILE, "receive_token: hunter2\n"), Login)
    assert "hunter2" not in str(caught.value)


def test_a_list_is_not_called_too_short_for_what_is_wrong_inside() -> None:
    class Many(BaseModel):
        numbers: Annotated[tuple[int, ...], Field(min_length=1)]

    for text, sentence in (
        ("numbers: [x]\n", "numbers.0 is 'x'; input should be a valid integer, unable to parse string as an integer"),
        ("numbers: []\n", "numbers needs at least 1, and has 0"),
    ):
        with pytest.raises(UsageError) as caught:
            build(parse(FILE, text), Many)
        assert str(caught.value) == f"thing.yaml:1: {sentence}"
