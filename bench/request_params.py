"""Parameters of a Service Request: what the rig knows fills in what the runbook does not say.

A runbook names devices; their EUI-64s, MPxNs, install codes and the User's certificates come from the rig and its
DUT file. `${esme.mpxn}` and `${saved.NAME.KEY}` stand for values that are known only there, or only in the run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from bench.clock import Clock
from bench.duis.default_params import gas_params
from bench.errors import UsageError
from bench.parties import DeviceType, Dut, Parties, User
from bench.quantities import parse

_REFERENCE = re.compile(r"\$\{[^}]*\}?")
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
        name, _, key = match[0][2:-1].partition(".")
        if name != "saved":
            return _dut_fact(match[0], parties.duts)
        step, _, key = key.partition(".")
        values = saved.get(step, {})
        if values.get(key) is None:
            raise NothingSaved(f"nothing was saved as {match[0]}", next_step=f"Saved: {', '.join(values) or 'nothing'}")
        return str(values[key])

    return _REFERENCE.sub(value, text)


def _dut_fact(reference: str, duts: Mapping[str, Dut]) -> str:
    name, _, key = reference[2:-1].partition(".")
    dut = duts.get(name)
    if dut is None or key not in _DUT_FIELDS or not reference.endswith("}"):
        raise UsageError(
            f"{reference} names nothing",
            next_step=f"Write ${{DEVICE.FIELD}}: {', '.join(duts)}; {', '.join(_DUT_FIELDS)}",
        )
    fact = str(dut.eui) if key == "id" else getattr(dut, key)
    if not fact:
        raise UsageError(f"the DUT file does not say the {key} of {name}")
    return str(fact)


def check_params(
    variant: str,
    given: Mapping[str, Any],
    *,
    target: Dut | None,
    device: Dut | None,
    duts: Mapping[str, Dut],
    saved: Collection[str],
) -> list[str]:
    """What can be known to be wrong with a request's parameters before the run, one sentence for each mistake.

    Args:
        variant: "8.11".
        given: the runbook's parameters.
        target: the business target, None for the DCC.
        device: the device that the request is about.
        duts: the devices under test.
        saved: names under which earlier steps save.
    """
    mistakes = []
    for key, text in _texts("", given):
        references = _REFERENCE.findall(text)
        for reference in references:
            name, _, rest = reference[2:-1].partition(".")
            if name == "saved" and rest.partition(".")[0] not in saved:
                mistakes.append(f"nothing was saved as {rest.partition('.')[0]!r} by an earlier step")
            elif name != "saved":
                mistakes += _said(_dut_fact, reference, duts)
        if not references:
            mistakes += _said(_number, key, text)
    return mistakes + _said(_demand_facts, variant, given, target, device or target)


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every text in a value, with the key that it stands under."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(name, inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(key, inner)


def _said(check: Callable[..., object], *arguments: Any) -> list[str]:
    try:
        check(*arguments)
    except UsageError as error:
        return [str(error)]
    return []


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
    _demand_facts(variant, given, target, device or target)
    params = _known(variant, given, user, target, device or target, clock)
    if target is not None and target.type is DeviceType.GSME:
        params |= gas_params(variant, params.keys() | given.keys())

    def filled(key: str, value: Any) -> Any:
        if isinstance(value, str):
            return _number(key, resolve(value, parties, saved))
        if isinstance(value, Mapping):
            return {name: filled(name, inner) for name, inner in value.items()}
        return [filled(key, inner) for inner in value] if isinstance(value, list | tuple) else value

    return params | {key: filled(key, value) for key, value in given.items()}


def _number(key: str, text: str) -> str:
    """Quantities in the units that DUIS carries: volts and seconds, whole."""
    for ending, kind in _QUANTITIES.items():
        if key.endswith(ending) and re.search("[A-Za-z]", text):
            try:
                value = parse(text, kind)
            except ValueError as error:
                raise UsageError(f"{key}: {error}") from None
            if not value.is_integer():
                raise UsageError(
                    f"{key}: {text!r} is not a whole number of {'volts' if kind == 'voltage' else 'seconds'}"
                )
            return f"{value:.0f}"
    return text


def _demand_facts(variant: str, given: Mapping[str, Any], target: Dut | None, device: Dut | None) -> None:
    """Raise UsageError unless the DUT file says what a variant cannot do without."""
    if variant == "8.11" and device is not None and given.get("request_type", "Add") == "Add":
        if device.install_code is None and "install_code" not in given:
            raise UsageError(f"the DUT file does not say the install code of {device.name}")
    elif variant == "6.20.1" and target is not None and not target.mpxn and _mpxn_key(target) not in given:
        raise UsageError(f"the DUT file does not say the mpxn of {target.name}")


def _mpxn_key(meter: Dut) -> str:
    return "import_mprn" if meter.type is DeviceType.GSME else "import_mpan"


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
        if given.get("request_type", "Add") != "Add":
            return {"device_id": device.eui}
        added = {"device_id": device.eui, "install_code": device.install_code}
        # Without its MPxN the inventory has no metering point for the device, and no operator to send AD1 to.
        return added | ({"import_mpxn": device.mpxn} if device.mpxn else {})
    if variant in ("8.2", "8.3", "8.4"):
        return {"device_id": device.eui}
    if variant in ("8.7.1", "8.7.2", "8.8.1", "8.8.2"):
        return {"other_device_id": device.eui}
    if variant == "6.20.1" and target is not None:
        return {_mpxn_key(target): target.mpxn}
    return {}


def _details(device: Dut) -> dict[str, Any]:
    details = {
        "device_id": device.eui,
        "device_type": device.type.value,
        "device_manufacturer": device.manufacturer,
        "device_model": device.model,
    }
    return details | ({"firmware_version": device.firmware} if device.firmware else {})
