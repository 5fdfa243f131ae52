"""Secrets never reach evidence: the last line of defence, behind drivers that do not record them at all.

A `Redactor` knows the secrets of a rig and finds each in the forms that wires give it: as text, escaped for JSON, XML
or a URL, in hexadecimal, in base64 at any alignment; bytes also with separators between them. It cannot see a secret
that two separate exchanges carry half each, or that was encrypted.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from bench import canonical
from bench.errors import BenchError, UsageError
from bench.parties import Parties
from bench.zigbee.security import link_key_from_install_code

HIDDEN = "(secret)"
"""What stands in evidence where a secret was."""

EMULATED = "(emulated)"
"""What stands there where an emulated world made up a port or a folder."""

_SHORTEST = 4
_ALONE_BELOW = 12
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[\s:-]?){8,}")


_MADE_UP = re.compile(r"(?<=127\.0\.0\.1)(::|:|', )\d+|(?:/[^\s/'\"]+)*/hilbench-[\w-]+(?=/)")
_MADE_UP_SHAPES = ("127.0.0.1", "/hilbench-")


class SecretFound(BenchError):
    """A file that must be kept exactly as it is holds a secret."""


class Redactor:
    """Finds and replaces secrets.

    Args:
        secrets: secret by what it is, as in {"password of the broker": "correct horse"}.
        emulated: replace the ports and folders, too, that an emulated world makes up anew each time it begins: they
            say nothing, and the same seed is to leave the same record.

    Raises:
        UsageError: a secret is too short to be told from ordinary text.
    """

    def __init__(self, secrets: Mapping[str, str] | None = None, *, emulated: bool = False) -> None:
        self._made_up = _MADE_UP_SHAPES if emulated else ()
        self._exact: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        self._compiled: re.Pattern[str] | None = None
        self._parts: list[tuple[int, str]] = []
        for label, secret in (secrets or {}).items():
            self.add(label, secret)

    def add(self, label: str, secret: str) -> None:
        """Hide one more secret from now on."""
        if len(secret) < _SHORTEST:
            raise UsageError(
                f"the {label} has fewer than {_SHORTEST} characters, so it cannot be kept out of evidence",
                next_step="Choose a longer one",
            )
        texts, raw = {secret}, {secret.encode()}
        if _HEX.fullmatch(secret):
            binary = bytes.fromhex(re.sub(r"[\s:-]", "", secret))
            texts |= {binary.hex(), binary.hex().upper()}
            raw |= {binary, *(text.encode() for text in texts)}
            self._learn_separated(label, binary)
        for text in sorted(texts):
            self._learn_text(label, text)
        for data in sorted(raw):
            self._learn(label, data.hex(), f"(?i:{data.hex()})", folded=True)
            for core in _base64_cores(data):
                self._learn(label, core, re.escape(core), folded=False)
        self._compiled = None

    def add_install_code(self, owner: str, code: str) -> None:
        """Hide an install code, with and without its CRC, and the link key that it stands for.

        Raises:
            UsageError: it is no install code.
        """
        code = re.sub(r"[\s:-]", "", code)
        link_key = link_key_from_install_code(code)
        self.add(f"link key of {owner}", link_key.hex())
        self.add(f"install code of {owner}", code)
        bare = code[:-4]
        with contextlib.suppress(UsageError):
            if link_key_from_install_code(bare) == link_key:
                self.add(f"install code of {owner}", bare)

    @classmethod
    def of(cls, parties: Parties, others: Mapping[str, str] | None = None, *, emulated: bool = False) -> Redactor:
        """Hides what a rig's devices under test keep secret, and other secrets by what they are."""
        redactor = cls(others, emulated=emulated)
        for name, dut in parties.duts.items():
            if dut.install_code is not None:
                redactor.add_install_code(name, dut.install_code)
        return redactor

    def _learn_text(self, label: str, text: str) -> None:
        forms = (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], escape(text), quote(text))
        quoted = (escape(text, {'"': "&quot;", "'": "&apos;"}), quote(text, safe=""))
        for form in dict.fromkeys(forms + quoted):
            part = re.escape(form)
            if len(form) < _ALONE_BELOW:
                # A short one is hidden only where it stands alone: "1234" is part of many a digest.
                part = rf"(?<![0-9A-Za-z]){part}(?![0-9A-Za-z])"
            self._learn(label, form, part, folded=False)

    def _learn_separated(self, label: str, data: bytes) -> None:
        pairs = [f"{byte:02x}" for byte in data]
        for separator in " :-":
            for size in (1, 2):
                groups = ["".join(pairs[at : at + size]) for at in range(0, len(pairs), size)]
                self._folded[separator.join(groups)] = label
        part = r"[\s:-]?".join(pairs)
        self._parts.append((2 * len(data), f"(?i:{part})"))

    def _learn(self, label: str, needle: str, part: str, *, folded: bool) -> None:
        needles = self._folded if folded else self._exact
        # What is searched first is JSON, in which the needle may stand escaped.
        needles[needle] = needles[json.dumps(needle, ensure_ascii=False)[1:-1]] = label
        self._parts.append((len(needle), part))

    @property
    def _pattern(self) -> re.Pattern[str] | None:
        """What finds them all; made when it is needed, since that takes longer than most runs' secrets need."""
        if self._compiled is None and self._parts:
            longest_first = (part for _, part in sorted(self._parts, reverse=True))
            self._compiled = re.compile("|".join(longest_first))
        return self._compiled

    def _suspect(self, text: str) -> str | None:
        """What may be in a text, quickly: the pattern decides."""
        for needle, label in self._exact.items():
            if needle in text:
                return label
        if self._folded:
            low = text.lower()
            for needle, label in self._folded.items():
                if needle in low:
                    return label
        return None

    def text(self, text: str) -> str:
        """A text without the secrets."""
        pattern = self._pattern
        clean = text if pattern is None else pattern.sub(HIDDEN, text)
        return _MADE_UP.sub(_made_up_here, clean) if self._is_made_up(clean) else clean

    def _is_made_up(self, text: str) -> bool:
        return any(shape in text for shape in self._made_up)

    def encode(self, value: Any) -> str:
        """Canonical JSON of a value, its strings without the secrets; raises as `canonical.to_text` does."""
        text = canonical.to_text(value)
        if self._suspect(text) is None and not self._is_made_up(text):
            return text
        return canonical.to_text(self._clean(value))

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(key): self._clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(item) for item in value]
        return value

    def refuse(self, data: bytes, where: str) -> None:
        """Raise SecretFound if a file that is to be kept exactly holds a secret."""
        text = data.decode("utf-8", "backslashreplace")
        if self._pattern is not None and self._pattern.search(text):
            label = self._suspect(text) or "secret"
            raise SecretFound(
                f"the file holds the {label}, which must not get into evidence",
                where=where,
                next_step="Keep secrets in the DUT file, or in a file that the rig file only names",
            )


def _made_up_here(found: re.Match[str]) -> str:
    return f"{found[1] or ''}{EMULATED}"


def _base64_cores(data: bytes) -> list[str]:
    """What base64 makes of data within other data, by alignment: the characters that depend on nothing else."""
    cores = []
    for offset in range(3):
        text = base64.b64encode(bytes(offset) + data).decode()
        core = text[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
        cores += [core, core.translate(str.maketrans("+/", "-_"))]
    return list(dict.fromkeys(cores))
