"""Firmware: activation: Service Requests made into commands."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.emulated.transforms.base import Command, Transform, Wanted


def _activate(wanted: Wanted) -> Command:
    params = {"image_hash": wanted.params["firmware_hash"]}
    if wanted.future is None:
        return wanted.only(params)
    return wanted.only(params | {"execution_date_time": wanted.future}, instructions=1)


TRANSFORMS: Mapping[str, Transform] = {"11.3": _activate}
"""By Service Reference Variant."""
