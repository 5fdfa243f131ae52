"""Secrets never reach evidence: the last line of defence, behind drivers that do not record them at all.

A `Redactor` knows the secrets of a rig and finds each in the forms that wires give it: as text, escaped for JSON, XML
or a URL, in hexadecimal, in base64 at any alignment; an install code also with separators and without its CRC. It
cannot see a secret that two separate exchanges carry half each, or that was encrypted.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from bench import canonical
from bench.errors import BenchError, UsageError

HIDDEN = "(secret)"
"""What stands in evidence where a secret was."""

_SHORTEST = 4
_ALONE_BELOW = 12
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[\s:-]?){8,}")
_INSTALL_CODE_WITH_CRC = 18


class SecretFound(BenchError):
    """A file that must be kept exactly as it is holds a secret."""


class Redactor:
    """Finds and replaces secrets.

    Args:
        secrets: secret by what it is, as in {"install code of esme": "83FED3407A939738C552"}.

    Raises:
        UsageError: a secret is too short to be told from ordinary text.
    """

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        self._exact: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
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
        texts = {secret}
        raw = [secret.encode()]
        if _HEX.fullmatch(secret):
            binary = bytes.fromhex(re.sub(r"[\s:-]", "", secret))
            if len(binary) == _INSTALL_CODE_WITH_CRC:
                binary = binary[:-2]
            texts |= {binary.hex(), binary.hex().upper()}
            raw += [binary, binary.hex().encode(), binary.hex().upper().encode()]
            self._learn_separated(label, binary)
        for text in sorted(texts):
            self._learn_text(label, text)
        for data in dict.fromkeys(raw):
            self._learn(label, data.hex(), f"(?i:{data.hex()})", folded=True)
            for core in _base64_cores(data):
                self._learn(label, core, re.escape(core), folded=False)
        longest_first = (part for _, part in sorted(self._parts, reverse=True))
        self._pattern = re.compile("|".join(longest_first))

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
        self._parts.append((len(part), f"(?i:{part})"))

    def _learn(self, label: str, needle: str, part: str, *, folded: bool) -> None:
        needles = self._folded if folded else self._exact
        # What is searched first is JSON, in which the needle may stand escaped.
        needles[needle] = needles[json.dumps(needle, ensure_ascii=False)[1:-1]] = label
        self._parts.append((len(needle), part))

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
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    def encode(self, value: Any) -> str:
        """Canonical JSON of a value, its strings without the secrets; raises as `canonical.to_text` does."""
        text = canonical.to_text(value)
        if self._pattern is None or self._suspect(text) is None:
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


def _base64_cores(data: bytes) -> list[str]:
    """What base64 makes of data within other data, by alignment: the characters that depend on nothing else."""
    cores = []
    for offset in range(3):
        text = base64.b64encode(bytes(offset) + data).decode()
        core = text[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
        cores += [core, core.translate(str.maketrans("+/", "-_"))]
    return list(dict.fromkeys(cores))
