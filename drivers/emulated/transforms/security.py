"""Security credentials: Service Requests made into commands."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.emulated.transforms.base import Transform

TRANSFORMS: Mapping[str, Transform] = {}
"""By Service Reference Variant."""
