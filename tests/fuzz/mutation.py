"""Damage as captures, cables and attackers do it; the same random numbers do the same damage."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

INTERESTING = bytes.fromhex("00 01 02 03 06 09 0c 0f 10 13 1f 30 3f 40 41 7f 80 81 82 83 84 d9 da dd df fe ff")
"""Tags, counts and lengths that mean something in one of the notations, and their neighbours."""


def _replace(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] = rng.choice(INTERESTING)


def _any_byte(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] = rng.randrange(256)


def _flip(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _step(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at] = (data[at] + rng.choice((1, -1))) % 256


def _insert(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.choice((1, 1, 2, 16)))


def _delete(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 1, 2, 16))]


def _repeat(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    part = data[at : at + rng.randrange(1, 17)]
    data[at:at] = part * rng.choice((1, 2, 40))


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


_WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _replace,
    _any_byte,
    _flip,
    _step,
    _insert,
    _delete,
    _repeat,
    _cut,
)


def mutate(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """Return one of the seeds, damaged once to four times, or spliced from two."""
    data = bytearray(rng.choice(seeds))
    if rng.random() < 0.1:
        other = rng.choice(seeds)
        data = data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]
    for _ in range(rng.randrange(1, 5)):
        if data:
            rng.choice(_WAYS)(data, rng)
    return bytes(data)
