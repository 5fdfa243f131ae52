"""The two devices in a Comms Hub's housing: the Comms Hub Function and the Gas Proxy Function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from bench.duis.signatures import certificate_eui
from bench.errors import BenchError
from bench.gbcs.catalogue import Encoding
from bench.gbcs.credentials import Outcome, Replacement
from bench.gbcs.use_cases import UseCase
from bench.parties import Dut
from drivers.emulated.commands import Refused, Values
from drivers.emulated.device import Anchor, EmulatedDevice, Surroundings
from drivers.emulated.han import Han
from drivers.emulated.identities import RemotePartyRole, key_identifier

_BAD_CERTIFICATE = 5
_DEVICE_LOG_CHANGED = 0x8F12
_ROLES = {"supplier": RemotePartyRole.SUPPLIER, "network_operator": RemotePartyRole.NETWORK_OPERATOR}


class HubFunction(EmulatedDevice):
    """What both are: awake while the hub is."""

    def __init__(
        self,
        surroundings: Surroundings,
        dut: Dut,
        encoding: Encoding,
        anchors: Mapping[RemotePartyRole, Anchor],
        hub_on: Callable[[], bool],
    ) -> None:
        super().__init__(surroundings, dut, encoding, anchors)
        self._hub_on = hub_on

    @property
    def powered(self) -> bool:
        """Whether the hub has booted."""
        return self._hub_on()


class Chf(HubFunction):
    """The Comms Hub Function: it keeps the device log and opens the HAN for those in it.

    Args:
        surroundings: the world.
        dut: what the rig says of it.
        anchors: whom it trusts.
        hub_on: whether the hub has booted.
        han: its network.
        on_window: told for how many seconds the join window is open now; 0 closes it.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        dut: Dut,
        anchors: Mapping[RemotePartyRole, Anchor],
        hub_on: Callable[[], bool],
        han: Han,
        on_window: Callable[[float], None],
    ) -> None:
        super().__init__(surroundings, dut, Encoding.DLMS, anchors, hub_on)
        self._han, self._on_window = han, on_window
        self.actions |= {"CCS01": self._add, "CCS02": self._remove}

    def _add(self, params: Values) -> Values:
        window_s = float(params["join_time_period_s"])
        try:
            self._han.add(params["device"], params["install_code"], window_s)
        except BenchError as error:
            raise Refused(error.what) from None
        self._on_window(window_s)
        self.happens(_DEVICE_LOG_CHANGED)
        self.world.stimulus("joining")
        return {}

    def _remove(self, params: Values) -> Values:
        if not self._han.remove(params["device"]):
            raise Refused("the device is not in the device log")
        self._on_window(0.0)
        self.happens(_DEVICE_LOG_CHANGED)
        return {}


class Gpf(HubFunction):
    """The Gas Proxy Function: controlled by the DCC until it is handed over to its supplier (6.21)."""

    def __init__(
        self,
        surroundings: Surroundings,
        dut: Dut,
        anchors: Mapping[RemotePartyRole, Anchor],
        hub_on: Callable[[], bool],
    ) -> None:
        super().__init__(surroundings, dut, Encoding.GBZ, anchors, hub_on)
        self.actions |= {
            "CS02b supplier by supplier": self._replace_credentials,
            "CS02b network operator by network operator": self._replace_credentials,
            "CS03B": self.join_with,
        }

    def refusal(self, use_case: UseCase, params: Values) -> Values:
        """What a response says beside "no"."""
        if use_case.name.startswith("CS02b"):
            return {"outcomes": tuple(self._outcome(each, _BAD_CERTIFICATE)[0] for each in params["replacements"])}
        return {}

    def _replace_credentials(self, params: Values) -> Values:
        done = [self._outcome(replacement, 0) for replacement in params["replacements"]]
        outcomes = tuple(outcome for outcome, _ in done)
        if any(outcome.status for outcome in outcomes):
            raise Refused("a certificate cannot be used", {"outcomes": outcomes})
        for (outcome, key), replacement in zip(done, params["replacements"], strict=True):
            assert key is not None  # its status is 0
            role = _ROLES[replacement.cell.role]
            anchor = replace(self._anchor(role), eui=outcome.replacing_party)
            if replacement.cell.key_usage == "key_agreement":
                self.anchors[role] = replace(anchor, agreement_key=key)
            else:
                self.anchors[role] = replace(anchor, signature_key=key)
        return {"floor_changes": (), "outcomes": outcomes}

    def _anchor(self, role: RemotePartyRole) -> Anchor:
        return self.anchors.get(role) or self.anchors[RemotePartyRole.ACCESS_CONTROL_BROKER]

    def _outcome(self, replacement: Replacement, status: int) -> tuple[Outcome, ec.EllipticCurvePublicKey | None]:
        """What becomes of one replacement: the status given, or a refusal of a certificate that cannot be used."""
        agreement = replacement.cell.key_usage == "key_agreement"
        anchor = self._anchor(_ROLES.get(replacement.cell.role, RemotePartyRole.ACCESS_CONTROL_BROKER))
        old = key_identifier(anchor.agreement_key if agreement else anchor.signature_key)
        try:
            certificate = x509.load_der_x509_certificate(replacement.certificate)
            key, party = certificate.public_key(), certificate_eui(certificate)
        except (ValueError, BenchError):
            key, party = None, anchor.eui
        if not isinstance(key, ec.EllipticCurvePublicKey) or replacement.cell.role not in _ROLES:
            outcome = Outcome(replacement.cell, _BAD_CERTIFICATE, anchor.eui, old, party, bytes(8))
            return outcome, None
        return Outcome(replacement.cell, status, anchor.eui, old, party, key_identifier(key)), key
