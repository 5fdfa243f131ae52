from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.duis.errors import DuisError
from bench.duis.safe_xml import MAX_BYTES, MAX_DEPTH, parse
from bench.errors import BenchError

HOSTILE = {
    "billion laughs": b"""<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;">]><a>&y;&y;&y;</a>""",
    "entity in an attribute": b"""<!DOCTYPE a [<!ENTITY x "ha">]><a b="&x;"/>""",
    "external entity": b"""<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>""",
    "external DTD": b"""<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>""",
    "parameter entity": b"""<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd">%x;]><a/>""",
    "attribute default": b"""<!DOCTYPE a [<!ATTLIST a b CDATA "evil">]><a/>""",
    "bare DTD": b"""<!DOCTYPE a><a/>""",
    "DTD after a comment": b"""<!-- harmless -->\n<!DOCTYPE a [<!ENTITY x "ha">]><a>&x;</a>""",
    "DTD in UTF-16": """<!DOCTYPE a [<!ENTITY x "ha">]><a>&x;</a>""".encode("utf-16"),
    "DTD in UTF-7": b"""<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a+AD4APA-a/+AD4-""",
    "undefined entity": b"<a>&nbsp;</a>",
    "processing instruction before": b"<?xml-stylesheet href='http://127.0.0.1:1/'?><a/>",
    "processing instruction inside": b"<a><?php evil ?></a>",
    "processing instruction after": b"<a/><?evil?>",
    "not XML": b"HTTP/1.1 500",
    "empty": b"",
    "blank": b"  \n ",
    "two documents": b"<a/><b/>",
    "cut short": b"<a><b>",
    "control character": b"<a>\x07</a>",
    "unbound prefix": b"<sr:a/>",
    "attribute twice": b"<a b='1' b='2'/>",
    "not UTF-8": b"<a>\xff\xfe</a>",
    "NUL": b"<a>\x00</a>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_or_broken_document_is_refused_with_a_reason(name: str) -> None:
    with pytest.raises(DuisError) as caught:
        parse(HOSTILE[name])
    assert isinstance(caught.value, BenchError)
    assert caught.value.next_step.startswith("Expected")


def test_an_error_names_the_line() -> None:
    with pytest.raises(DuisError) as caught:
        parse(b"<a>\n<b>\n</c>\n</a>")
    assert caught.value.line == 3
    assert str(caught.value).startswith("line 3: not well-formed XML: ")
    with pytest.raises(DuisError) as caught:
        parse(b"<?xml version='1.0'?>\n\n<!DOCTYPE a><a/>")
    assert caught.value.line == 3
    with pytest.raises(DuisError) as caught:
        parse(b"<a>\n\n<?x y?></a>")
    assert caught.value.line == 3


def test_the_size_limit_comes_before_parsing() -> None:
    assert parse(b"<a>" + b" " * (MAX_BYTES - 7) + b"</a>").tag == "a"
    with pytest.raises(DuisError, match=f"{MAX_BYTES + 1} bytes.*at most {MAX_BYTES}"):
        parse(b"!" * (MAX_BYTES + 1))
    with pytest.raises(DuisError, match="at most 10"):
        parse(b"<a>1234</a>", max_bytes=10)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 300, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    assert parse(b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH).tag == "a"
    with pytest.raises(DuisError):
        parse(b"<a>" * depth + b"</a>" * depth)


def test_what_makes_canonicalisation_slow_is_refused() -> None:
    spaces = "".join(f' xmlns:n{each}="urn:{each}"' for each in range(30_000))
    with pytest.raises(DuisError, match="30000 namespaces.*at most 200"):
        parse(f"<a{spaces}/>".encode())
    attributes = "".join(f' a{each}="1"' for each in range(60_000))
    with pytest.raises(DuisError, match="line 2: an element has 60000 attributes.*at most 32"):
        parse(f"<a>\n<b{attributes}/></a>".encode())


def test_text_that_a_comment_divides_is_whole() -> None:
    root = parse(b"<!-- 1 --><a>\n<b>I<!-- 2 -->99</b><c>x<![CDATA[<y>]]>z</c></a><!-- 3 -->")
    assert root[0].text == "I99"
    assert root[1].text == "x<y>z"
    assert len(root[0]) == 0


def test_a_byte_order_mark_and_an_encoding_declaration_are_fine() -> None:
    assert parse(b"\xef\xbb\xbf<a/>").tag == "a"
    assert parse("<?xml version='1.0' encoding='utf-8'?><a>\u00a3</a>".encode()).text == "\u00a3"
    with pytest.raises(DuisError, match="ISO-8859-1"):
        parse(b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>")


@given(st.binary(max_size=200) | st.text(alphabet="<>!?&;/ab[]-=' \n\"", max_size=80).map(str.encode))
def test_nothing_but_duis_errors_comes_out(data: bytes) -> None:
    try:
        parse(data)
    except DuisError as error:
        assert str(error)
