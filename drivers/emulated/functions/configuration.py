"""Configuration, messages, identity and alert behaviour."""

from __future__ import annotations

from collections.abc import Mapping

from bench.parties import DeviceType
from drivers.emulated.functions.base import Function

FUNCTIONS: Mapping[DeviceType, tuple[type[Function], ...]] = {}
"""By type of device."""
