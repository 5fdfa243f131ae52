"""The state of Comms Hubs, opt-in and the WAN matrix (8.6, 8.14, 12.1).

The schema of DUIS lists the codes of refusals (E0806xx, E0814xx, E1201xx) and not what they mean; which one says what
is this emulation's choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cryptography.hazmat.primitives.serialization import Encoding

from bench.duis import responses as duis
from bench.duis.requests import Request
from bench.eui import Eui64
from bench.parties import DeviceType, User
from drivers.emulated.dcc_inventory import WITHDRAWN
from drivers.emulated.dcc_parts.base import Part, Service

_DONE = "I99"
NOT_THAT_TYPE = "E080601"
"""8.6: the device is of another type."""
NO_HUB = "E081401"
"""8.14: the device is no Comms Hub."""
RETURNED = "E081402"
"""8.14: the hub has been returned already."""
OTHER_UNKNOWN = "E081405"
"""8.14.3: the other device, of which its fault was seen, is not known, or the hub itself."""
NO_ADDRESS = "E120101"
"""12.1: no address has this post code."""

_AREAS = {
    "North": "AB BD BL CA DD DG DH DL DN EH FK FY G HD HG HS HU HX IV KA KW KY LA LS ML NE PA PH PR S SR TD TS WF YO",
    "South": "BA BH BN BR CB CF CM CO CR CT DA DT EN EX GL GU HA HP IG IP KT LU ME MK NR OX PL PO RG RH RM SA SE SW TN",
}
"""Post code areas of Scotland and the north of England, and of the south of England and Wales, as far as is needed for
answers that differ; whatever is in neither is Central."""
_TECHNOLOGY = {"North": "LRR", "Central": "Cellular", "South": "Cellular"}


class HubStatus(Part):
    """What installers tell of hubs, and what they ask before they come.

    Attributes:
        told: by hub, every status update as its variant and parameters, in the order in which they came.
        opted_in: by device, the date of its opt-in.
    """

    remembers: ClassVar[tuple[str, ...]] = ("told", "opted_in")

    def __init__(self, dcc: Any) -> None:
        super().__init__(dcc)
        self.told: dict[Eui64, list[tuple[str, dict[str, Any]]]] = {}
        self.opted_in: dict[Eui64, Any] = {}

    @property
    def services(self) -> Mapping[str, Service]:
        """The requests that it answers."""
        return {
            "8.6": self._opt_in,
            "8.14.1": self._installed,
            "8.14.2": self._installed,
            "8.14.3": self._returned,
            "8.14.4": self._returned,
            "12.1": self._coverage,
        }

    def _opt_in(self, request: Request, user: User) -> str | duis.ServiceResponse:
        params = request.params
        entry = self.dcc.inventory.find(params["device_id"])
        if entry is None or entry.type != params["device_type"]:
            return NOT_THAT_TYPE
        self.opted_in[entry.eui] = params["opt_in_date"]
        signing, agreement = (
            pair.certificate.public_bytes(Encoding.DER) for pair in (self.dcc.keys.signing, self.dcc.keys.agreement)
        )
        return duis.DspResponse(
            **self.dcc.header(request, "I0"),
            name="DSPOptIn",
            values={
                "device_id": entry.eui,
                "dsp_broker_security_credentials_digital_signing": signing,
                "dsp_broker_security_credentials_key_agreement": agreement,
            },
        )

    def _installed(self, request: Request, user: User) -> str:
        """A hub was put up, with the SM WAN in reach (8.14.1) or without (8.14.2)."""
        return self._refusal(request) or self._keep(request)

    def _returned(self, request: Request, user: User) -> str:
        """A hub goes back, with a fault (8.14.3) or without (8.14.4): it is withdrawn, and its GPF with it."""
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        other = request.params.get("other_device_id")
        if other is not None and (other == request.params["device_id"] or self.dcc.inventory.find(other) is None):
            return OTHER_UNKNOWN
        for entry in self.dcc.inventory.of_type(DeviceType.CHF, DeviceType.GPF):
            # The other hub there may be is SMETS1, and so is its GPF; neither is told of by 8.14.
            if entry.eui == request.params["device_id"] or (entry.type == DeviceType.GPF and not entry.smets1):
                entry.status = WITHDRAWN
        return self._keep(request)

    def _refusal(self, request: Request) -> str | None:
        entry = self.dcc.inventory.find(request.params["device_id"])
        if entry is None or entry.type != DeviceType.CHF:
            return NO_HUB
        return RETURNED if entry.status == WITHDRAWN else None

    def _keep(self, request: Request) -> str:
        about: Eui64 = request.params["device_id"]
        self.told.setdefault(about, []).append((request.service_reference_variant, dict(request.params)))
        return _DONE

    def _coverage(self, request: Request, user: User) -> str | duis.ServiceResponse:
        """Coverage by post code area; a UPRN does not tell where it lies, and is taken to be Central."""
        params = request.params
        region = region_of(params["post_code"]) if "post_code" in params else "Central"
        if region is None:
            return NO_ADDRESS
        row = {
            "csp_region": region,
            "csp_region_response_code": "I0",
            "coverage_availability": True,
            "wan_technology": _TECHNOLOGY[region],
            "connectivity_likelihood": "High",
        }
        values = {"request": dict(params), "dsp_wan_matrix_response": (row,)}
        return duis.DspResponse(**self.dcc.header(request, "I0"), name="DSPWANMatrix", values=values)


def region_of(post_code: str) -> str | None:
    """The region of a post code, from the letters that it begins with; None if it begins with none."""
    letters = post_code.upper()
    area = letters[: next((at for at, each in enumerate(letters) if not each.isalpha()), len(letters))]
    if not 0 < len(area) <= 2:
        return None
    return next((region for region, areas in _AREAS.items() if area in areas.split()), "Central")


PARTS: tuple[type[Part], ...] = (HubStatus,)
"""In the order in which they take note."""
