"""What holds of every use case, whatever values a test draws for it."""

from __future__ import annotations

from bench.gbcs.errors import GbcsError
from bench.gbcs.use_case import UseCase, Values


def command_comes_back(found: UseCase, counter: int, params: Values) -> None:
    content = found.encode_command(params, originator_counter=counter)
    assert found.decode_command(content) == params


def response_comes_back(found: UseCase, counter: int, values: Values) -> Values:
    """It is read as what was said and is written the same again; what is read, which may be more than was said."""
    content = found.encode_response(values, originator_counter=counter)
    response = found.decode_response(content)
    assert response.ok
    assert {name: response.values[name] for name in values} == values
    assert found.encode_response(response.values, originator_counter=counter) == content
    return response.values


def refusal_comes_back(found: UseCase, counter: int) -> None:
    content = found.encode_response({}, originator_counter=counter, ok=False)
    response = found.decode_response(content)
    assert not response.ok
    assert found.encode_response(response.values, originator_counter=counter, ok=False) == content


def is_read_or_refused(found: UseCase, *contents: bytes) -> None:
    """Whatever the bytes, as a command and as a response: nothing but a `GbcsError` comes of it."""
    for content in contents:
        for read in (found.decode_command, found.decode_response):
            try:
                read(content)
            except GbcsError:
                continue
