"""What the typed forms of all YAML files are built of: the base of their sections, and fields that several have."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from bench.errors import BenchError
from bench.eui import Eui64


def _read_eui(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return Eui64.parse(value)
    except BenchError as error:
        raise ValueError(str(error)) from None


def _read_bool(value: object) -> object:
    words = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
    if isinstance(value, str):
        if value.lower() not in words:
            raise ValueError(f"{value!r} is neither yes nor no")
        return words[value.lower()]
    return value


def _read_install_code(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch("(?:[0-9A-Fa-f]{2}){6,18}", value):
        # Not a word of what was written: it may be the secret with a slip in it.
        raise ValueError("this is not an install code; write 6 to 18 bytes in hexadecimal")
    return value


def _read_name(value: object) -> object:
    # It becomes the name of a folder.
    if isinstance(value, str) and not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,79}", value):
        raise ValueError(f"{value!r} is not a name: letters, digits, '.', '_' and '-' only, 80 at most")
    return value


NameField = Annotated[str, BeforeValidator(_read_name)]
InstallCode = Annotated[str, BeforeValidator(_read_install_code)]
EuiField = Annotated[Eui64, BeforeValidator(_read_eui), PlainSerializer(str)]
YesNo = Annotated[bool, BeforeValidator(_read_bool)]


class Part(BaseModel):
    """Base of every section: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
