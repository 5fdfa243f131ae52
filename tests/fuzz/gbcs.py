"""Everything that reads GBCS, and `hilbench decode` around it, under damaged input.

Whatever comes in, only a `GbcsError` (from text and XML: a `CodecError`) may come out, within a second of processor
time and without memory growing. What is read is written again to the same bytes, and every part of a tree lies within
the message.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from bench.decode import decode
from bench.errors import CodecError
from bench.gbcs.errors import GbcsError
from bench.gbcs.explain import explain
from bench.gbcs.message import Cra, Framing, Message
from bench.gbcs.message_tree import message_tree
from bench.gbcs.use_cases import all_use_cases
from tests.fuzz.mutation import mutate
from tests.fuzz.seeds import contents, documents, messages

SECONDS = 1.0
"""Processor time that one input may take."""
MEGABYTES = 64
"""How much the process may grow over all inputs."""


class TooSlow(Exception):
    """One input took too long."""


@contextmanager
def processor_time() -> Iterator[Callable[[], None]]:
    """Yield a function that starts the time of one input anew; `TooSlow` comes up when it is over."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow(f"more than {SECONDS} s of processor time")

    before = signal.signal(signal.SIGVTALRM, late)
    try:
        yield lambda: signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS) and None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


class Fuzzer:
    """Tries one input after the other.

    Attributes:
        counts: inputs by how they ended: refused, read, and which kind they were.
    """

    def __init__(self, seed: int, rtds: Path | None = None) -> None:
        self._rng = random.Random(seed)
        self._messages = messages(rtds)
        self._contents = contents(self._messages)
        self._documents = documents(self._messages)
        self._codes = sorted({use_case.message_code for use_case in all_use_cases()})
        self.counts: Counter[str] = Counter()

    def run(self, inputs: int) -> None:
        """Try so many inputs; an input that fails is in the error, in hexadecimal."""
        kinds = (self._frame, self._frame, self._content, self._content, self._content, self._noise, self._text)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with processor_time() as restart:
            for _ in range(inputs):
                data, check = self._rng.choice(kinds)()
                restart()
                try:
                    self.counts["read" if check(data) else "refused"] += 1
                    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
                    assert grown < MEGABYTES, f"memory grew by {grown:.0f} MB"
                except Exception as error:
                    raise AssertionError(f"{type(error).__name__}: {error}; input {data.hex()}") from error

    def _frame(self) -> tuple[bytes, Callable[[bytes], bool]]:
        return mutate(self._messages, self._rng), check_message

    def _content(self) -> tuple[bytes, Callable[[bytes], bool]]:
        """Damage content only, in a frame that is whole, so that what reads content is reached."""
        cra, code, content = self._rng.choice(self._contents)
        damaged = mutate([content or b"\x00"], self._rng)[:60_000]
        if self._rng.random() < 0.05:
            code = self._rng.choice((*self._codes, self._rng.randrange(0x10000)))
        if self._rng.random() < 0.05:
            cra = self._rng.choice(tuple(Cra))
        whole = Message.parse(self._messages[0])
        framed = replace(
            whole, framing=Framing.MACED, cra=cra, message_code=code, content=damaged, mac=bytes(12), signature=None
        )
        return framed.encode(), check_message

    def _noise(self) -> tuple[bytes, Callable[[bytes], bool]]:
        head = self._rng.choice((b"", b"\xdf\x09", b"\xdd" + bytes(6)))
        return head + self._rng.randbytes(self._rng.randrange(100)), check_message

    def _text(self) -> tuple[bytes, Callable[[bytes], bool]]:
        """Give what `hilbench decode` may be given: binary, hexadecimal text, base64 or XML, damaged."""
        form = self._rng.randrange(5)
        if form == 0:
            return mutate(self._messages, self._rng), check_decode
        if form in (1, 2):
            message = self._rng.choice(self._messages)
            text = message.hex(" ").encode() if form == 1 else b64encode(message)
            return mutate([text], self._rng), check_decode
        if form == 3:
            return b64encode(mutate(self._messages, self._rng)), check_decode
        return mutate(self._documents, self._rng), check_decode


def check_message(data: bytes) -> bool:
    """Read a message in every way; return whether it is one."""
    try:
        message = Message.parse(data)
    except GbcsError as error:
        assert error.offset is None or 0 <= error.offset <= len(data)
        for read in (explain, message_tree):
            try:
                read(data)
            except GbcsError:
                continue
            raise AssertionError(f"{read.__name__} reads what is no message") from None
        return False
    assert message.encode() == data
    assert json.dumps(explain(data))
    tree = message_tree(data)
    for node in tree.walk():
        if node.offset is not None:
            assert 0 <= node.offset <= len(data), node.name
            assert node.offset + (node.length or 0) <= len(data), node.name
    assert tree.lines()
    assert json.dumps(tree.as_json())
    return True


def check_decode(data: bytes) -> bool:
    """Decode what may be a message in any form; return whether it is one."""
    try:
        decoded = decode(data)
    except CodecError as error:
        assert str(error)
        return False
    assert decoded.exit_code in (0, 1)
    assert json.dumps(decoded.as_json())
    return bool(decoded.lines())


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.gbcs", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    options = parser.parse_args()
    folder = os.environ.get("HILBENCH_RTDS")
    fuzzer = Fuzzer(options.seed, Path(folder) if folder else None)
    try:
        fuzzer.run(options.inputs)
    except AssertionError as error:
        print(f"failed after {fuzzer.counts.total()} inputs, seed {options.seed}: {error}", file=sys.stderr)
        return 1
    refused, read = fuzzer.counts["refused"], fuzzer.counts["read"]
    print(f"{refused + read} inputs tried with seed {options.seed}: {refused} refused, {read} read; nothing else")
    return 0


if __name__ == "__main__":
    sys.exit(main())
