"""Parameters of a Service Request: what the rig knows fills in what the runbook does not say.

A runbook names devices; their EUI-64s, MPxNs, install codes and the User's certificates come from the rig and its
DUT file. `${esme.mpxn}` and `${saved.NAME.KEY}` stand for values that are known only there, or only in the run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from bench.clock import Clock
from bench.errors import UsageError
from bench.parties import DeviceType, Dut, Parties, User
from bench.quantities import parse

_REFERENCE = re.compile(r"\$\{([a-z0-9_.-]+)\}")
_DUT_FIELDS = ("id", "mpxn", "install_code", "model", "manufacturer", "firmware", "serial")
_DATE_TIME = "%Y-%m-%dT%H:%M:%SZ"
_A_DAY = timedelta(days=1)
_QUANTITIES = {"_threshold": "voltage", "_period": "duration"}


class NothingSaved(UsageError):
    """A value is asked for that no earlier step of the run has saved."""


def resolve(text: str, parties: Parties, saved: Mapping[str, Mapping[str, Any]]) -> str:
    """Fill in `${DEVICE.FIELD}` and `${saved.NAME.KEY}`.

    Raises:
        NothingSaved: no step has saved it.
        UsageError: nothing has that name.
    """

    def value(match: re.Match[str]) -> str:
        name, _, key = match[1].partition(".")
        if name == "saved":
            step, _, key = key.partition(".")
            values = saved.get(step, {})
            if key not in values:
                raise NothingSaved(
                    f"nothing was saved as {match[1]!r}", next_step=f"Saved: {', '.join(values) or 'nothing'}"
                )
            return str(values[key])
        dut = parties.duts.get(name)
        if dut is None or key not in _DUT_FIELDS:
            raise UsageError(
                f"${{{match[1]}}} names nothing",
                next_step=f"Write ${{DEVICE.FIELD}}: {', '.join(parties.duts)}; {', '.join(_DUT_FIELDS)}",
            )
        field = str(dut.eui) if key == "id" else getattr(dut, key)
        if not field:
            raise UsageError(f"the DUT file does not say the {key} of {name}")
        return str(field)

    return _REFERENCE.sub(value, text)


def request_params(
    variant: str,
    given: Mapping[str, Any],
    *,
    user: User,
    target: Dut | None,
    device: Dut | None,
    parties: Parties,
    clock: Clock,
    saved: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Complete the parameters of one Service Request; what the runbook gives has precedence.

    Args:
        variant: "8.11".
        given: the runbook's parameters; quantities such as "253 V" become the numbers that DUIS carries.
        user: who asks.
        target: the business target, None for the DCC.
        device: the device that the request is about.
        parties: everybody on the rig.
        clock: for 8.1.1, which sets the time.
        saved: decoded responses of earlier steps, by the name they were saved under.

    Raises:
        UsageError: a reference names nothing, or the DUT file lacks what the variant needs.
    """
    params = _known(variant, given, user, target, device or target, clock)
    for key, value in given.items():
        params[key] = _number(key, resolve(value, parties, saved)) if isinstance(value, str) else value
    return params


def _number(key: str, text: str) -> str:
    """Quantities in the units that DUIS carries: volts and seconds, whole."""
    for ending, kind in _QUANTITIES.items():
        if key.endswith(ending) and re.search("[A-Za-z]", text):
            return f"{parse(text, kind):.0f}"
    return text


def _known(
    variant: str, given: Mapping[str, Any], user: User, target: Dut | None, device: Dut | None, clock: Clock
) -> dict[str, Any]:
    now = clock.now().utc
    if variant in ("8.1.1", "6.11"):
        return {"current_date_time": f"{now:{_DATE_TIME}}"}
    if variant == "4.10":
        return {"start_date_time": f"{now - _A_DAY:{_DATE_TIME}}", "end_date_time": f"{now:{_DATE_TIME}}"}
    if variant == "6.21":
        return {
            "digital_signing_certificate": user.signing.certificate.public_bytes(Encoding.DER),
            "key_agreement_certificate": user.agreement.certificate.public_bytes(Encoding.DER),
            "certificate": [user.signing.certificate.public_bytes(Encoding.DER)],
        }
    if device is None:
        return {}
    if variant == "12.2":
        return _details(device)
    if variant == "8.11":
        add = given.get("request_type", "Add") == "Add"
        if add and device.install_code is None:
            raise UsageError(f"the DUT file does not say the install code of {device.name}")
        if not add:
            return {"device_id": device.eui}
        added = {"device_id": device.eui, "install_code": device.install_code}
        # Without its MPxN the inventory has no metering point for the device, and no operator to send AD1 to.
        return added | ({"import_mpxn": device.mpxn} if device.mpxn else {})
    if variant in ("8.2", "8.3", "8.4"):
        return {"device_id": device.eui}
    if variant in ("8.7.1", "8.7.2", "8.8.1", "8.8.2"):
        return {"other_device_id": device.eui}
    if variant == "6.20.1" and target is not None:
        if not target.mpxn:
            raise UsageError(f"the DUT file does not say the mpxn of {target.name}")
        return {"import_mprn" if target.type is DeviceType.GSME else "import_mpan": target.mpxn}
    return {}


def _details(device: Dut) -> dict[str, Any]:
    details = {
        "device_id": device.eui,
        "device_type": device.type.value,
        "device_manufacturer": device.manufacturer,
        "device_model": device.model,
    }
    return details | ({"firmware_version": device.firmware} if device.firmware else {})
