"""What an emulated world remembers, as JSON: values with their types.

What JSON has no word for is an object with the key `~`, which says what it is, and `is`. Dataclasses and
enumerations are named by module and class and made again by their constructors, so that only what could have been
written can be read; a class of another package than the bench's and the emulators' is refused.
"""

from __future__ import annotations

import dataclasses
import json
from collections import deque
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from importlib import import_module
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.errors import BenchError
from bench.eui import Eui64
from bench.gbcs.use_cases import UseCase, all_use_cases

_PACKAGES = ("bench.", "drivers.emulated.")
_WHAT, _IS = "~", "is"


class NotMemorable(BenchError):
    """A value that no state file can hold, or a text that is no state of a world."""


def dumps(value: Any) -> bytes:
    """Write a value.

    Raises:
        NotMemorable: something in it has no form; where it is, is said.
    """
    return json.dumps(_plain(value, ""), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def loads(text: bytes) -> Any:
    """Read what `dumps` has written.

    Raises:
        NotMemorable: it is something else.
    """
    try:
        return _rich(json.loads(text))
    except (ValueError, LookupError, TypeError, AttributeError, ImportError, RecursionError, ArithmeticError) as error:
        raise NotMemorable(f"it is no state of an emulated world ({type(error).__name__}: {error})") from None


def _point(key: ec.EllipticCurvePublicKey) -> str:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint).hex()


# Ordered: a datetime is a date.
_WRITERS: tuple[tuple[type, str, Callable[[Any], str]], ...] = (
    (bytes, "bytes", bytes.hex),
    (Eui64, "eui64", str),
    (datetime, "datetime", datetime.isoformat),
    (date, "date", date.isoformat),
    (time, "time", time.isoformat),
    (timedelta, "microseconds", lambda length: str(length // timedelta(microseconds=1))),
    (float, "float", repr),
    (Decimal, "decimal", str),
    (ec.EllipticCurvePublicKey, "public key", _point),
    (x509.Certificate, "certificate", lambda each: each.public_bytes(serialization.Encoding.DER).hex()),
    (UseCase, "use case", lambda use_case: use_case.name),
)
_READERS: Mapping[str, Callable[[str], Any]] = {
    "bytes": bytes.fromhex,
    "eui64": Eui64.parse,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "microseconds": lambda text: timedelta(microseconds=int(text)),
    "float": float,
    "decimal": Decimal,
    "public key": lambda text: ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(text)),
    "certificate": lambda text: x509.load_der_x509_certificate(bytes.fromhex(text)),
    "use case": lambda name: _use_case(name),
}
_MANY: Mapping[str, Callable[[list[Any]], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset}


def _use_case(name: str) -> UseCase:
    for use_case in all_use_cases():
        if use_case.name == name:
            return use_case
    raise ValueError(f"there is no use case {name!r}")


def _plain(value: Any, path: str) -> Any:
    if isinstance(value, Enum):
        return {_WHAT: _name_of(type(value), path), _IS: _plain(value.value, path)}
    if value is None or isinstance(value, bool | int | str) and type(value) in (bool, int, str):
        return value
    for kind, tag, write in _WRITERS:
        if isinstance(value, kind):
            return {_WHAT: tag, _IS: write(value)}
    if isinstance(value, list):
        return [_plain(each, f"{path}[{index}]") for index, each in enumerate(value)]
    if isinstance(value, tuple) and type(value) is tuple:
        return {_WHAT: "tuple", _IS: [_plain(each, f"{path}[{index}]") for index, each in enumerate(value)]}
    if isinstance(value, set | frozenset):
        # In an order of its own: the same state is the same text.
        members = sorted((_plain(each, path) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
        return {_WHAT: type(value).__name__, _IS: members}
    if isinstance(value, deque):
        return {_WHAT: "deque", _IS: [_plain(each, path) for each in value], "most": value.maxlen}
    if isinstance(value, Mapping):
        if all(type(key) is str for key in value) and _WHAT not in value:
            return {key: _plain(each, f"{path}.{key}") for key, each in value.items()}
        return {_WHAT: "dict", _IS: [[_plain(k, path), _plain(v, f"{path}[{k}]")] for k, v in value.items()]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            each.name: _plain(getattr(value, each.name), f"{path}.{each.name}") for each in dataclasses.fields(value)
        }
        return {_WHAT: _name_of(type(value), path), _IS: fields}
    raise NotMemorable(f"a {type(value).__name__} cannot be remembered", where=path.lstrip("."))


def _name_of(kind: type, path: str) -> str:
    if not kind.__module__.startswith(_PACKAGES):
        raise NotMemorable(f"a {kind.__module__}.{kind.__qualname__} cannot be remembered", where=path.lstrip("."))
    return f"{kind.__module__}:{kind.__qualname__}"


def _rich(value: Any) -> Any:
    if isinstance(value, list):
        return [_rich(each) for each in value]
    if not isinstance(value, dict):
        return value
    if _WHAT not in value:
        return {key: _rich(each) for key, each in value.items()}
    what, content = value[_WHAT], value[_IS]
    if what in _READERS:
        return _READERS[what](content)
    if what in _MANY:
        return _MANY[what]([_rich(each) for each in content])
    if what == "deque":
        return deque((_rich(each) for each in content), maxlen=value["most"])
    if what == "dict":
        return {_rich(key): _rich(each) for key, each in content}
    return _made(str(what), content)


def _made(name: str, content: Any) -> Any:
    module, _, path = name.partition(":")
    if not module.startswith(_PACKAGES):
        raise ValueError(f"{name!r} is no class of the bench")
    kind: Any = import_module(module)
    for part in path.split("."):
        kind = getattr(kind, part)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(_rich(content))
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise ValueError(f"{name!r} is no dataclass")
    values = {key: _rich(each) for key, each in content.items()}
    given = {each.name for each in dataclasses.fields(kind) if each.init}
    made = kind(**{key: each for key, each in values.items() if key in given})
    for key, each in values.items():
        if key not in given:
            object.__setattr__(made, key, each)
    return made
