"""Canonical JSON: one form for each value, and no other is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import canonical

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_canonical_json_has_one_form_and_keeps_the_value(value: Any) -> None:
    data = canonical.encode(value)
    assert canonical.encode(canonical.decode(data)) == data
    assert b"\n" not in data
    if "\\ud" not in data.decode():
        assert canonical.decode(data) == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    "text",
    [
        "1.0 ",
        "[1, 2]",
        '{"b":1,"a":2}',
        '{"a":1,"a":1}',
        "1E5",
        "01",
        "NaN",
        "1e999",
        '"\\u0041"',
        '"\\/"',
        "",
        "\ufeff1",
    ],
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        canonical.decode(text.encode())


def test_what_is_no_utf8_or_too_deep_is_refused() -> None:
    for data in (b'"\xff"', b"[" * 200_000 + b"]" * 200_000):
        with pytest.raises(ValueError):
            canonical.decode(data)
