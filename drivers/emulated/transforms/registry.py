"""Every transformation, by Service Reference Variant."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.emulated.transforms import (
    configuration,
    firmware,
    hub,
    installation,
    load_control,
    log,
    payment,
    readings,
    security,
    tariff,
)
from drivers.emulated.transforms.base import Command, NotTransformable, Transform, Wanted

# What a later one has takes the place of an earlier one's.
_AREAS: tuple[Mapping[str, Transform], ...] = (
    installation.TRANSFORMS,
    tariff.TRANSFORMS,
    payment.TRANSFORMS,
    readings.TRANSFORMS,
    configuration.TRANSFORMS,
    load_control.TRANSFORMS,
    security.TRANSFORMS,
    hub.TRANSFORMS,
    firmware.TRANSFORMS,
    log.TRANSFORMS,
)
TRANSFORMS: Mapping[str, Transform] = {variant: each for area in _AREAS for variant, each in area.items()}
"""By Service Reference Variant."""


def transform(wanted: Wanted) -> Command:
    """Make the command of a request.

    Raises:
        NotTransformable: E11 for a device that has no such use case, E12 for a form of the request that is not
            emulated.
    """
    make = TRANSFORMS.get(wanted.request.service_reference_variant)
    if make is None:
        raise NotTransformable("E12")
    return make(wanted)
