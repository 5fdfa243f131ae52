"""Who serves each device: what the rig registers, or else the first User of the role."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.eui import Eui64
from bench.parties import DeviceType, Dut, User
from drivers.emulated.device import Anchor, anchor_of
from drivers.emulated.identities import USER_ROLES, Identities, RemotePartyRole
from drivers.emulated.spec import EmulationSpec

_ROLE_OF = {
    DeviceType.ESME: {RemotePartyRole.SUPPLIER: "IS", RemotePartyRole.NETWORK_OPERATOR: "ED"},
    DeviceType.GSME: {RemotePartyRole.SUPPLIER: "GS", RemotePartyRole.NETWORK_OPERATOR: "GT"},
    DeviceType.CHF: {},
    DeviceType.GPF: {RemotePartyRole.SUPPLIER: "GS", RemotePartyRole.NETWORK_OPERATOR: "GT"},
    DeviceType.PPMID: {RemotePartyRole.SUPPLIER: "IS"},
    DeviceType.HCALCS: {RemotePartyRole.SUPPLIER: "IS"},
}
"""DUIS User Roles of those who serve a device, unless the emulation's `registered` names others."""


_DUTY = {RemotePartyRole.SUPPLIER: "supplier", RemotePartyRole.NETWORK_OPERATOR: "operator"}


class Serving:
    """Who serves which device.

    Args:
        identities: every key.
        spec: what the rig says.
        users: by name.
        find: a device under test by its EUI-64.
    """

    def __init__(
        self,
        identities: Identities,
        spec: EmulationSpec,
        users: Mapping[str, User],
        find: Callable[[Eui64], Dut | None],
    ) -> None:
        self._identities, self._spec, self._users, self._find = identities, spec, users, find

    def anchor(self, user: User) -> Anchor:
        """What a device holds of a User."""
        return anchor_of(self._identities, user.eui, USER_ROLES.get(user.role, RemotePartyRole.OTHER))

    def everybody(self) -> tuple[Anchor, ...]:
        """What a device would hold of all Users."""
        return tuple(map(self.anchor, self._users.values()))

    def anchors(self, dut: Dut) -> dict[RemotePartyRole, Anchor]:
        """What a device holds at first: of the Access Control Broker, and of those who serve it."""
        broker = RemotePartyRole.ACCESS_CONTROL_BROKER
        anchors = {broker: anchor_of(self._identities, self._spec.dcc, broker)}
        for role in _ROLE_OF.get(dut.type, {}):
            user = self.notified(dut.eui, _DUTY.get(role, "")) or self._user(dut, role)
            if user is not None:
                anchors[role] = self.anchor(user)
        return anchors

    def registered(self, eui: Eui64, duty: str) -> User | None:
        """The User that serves a device as "supplier" or "operator"."""
        dut = self._find(eui)
        role = RemotePartyRole.SUPPLIER if duty == "supplier" else RemotePartyRole.NETWORK_OPERATOR
        return self._user(dut, role) if dut is not None else None

    def notified(self, eui: Eui64, duty: str) -> User | None:
        """The User ID that whoever serves a SMETS1 device has told the DCC to use for it; None: any."""
        dut = self._find(eui)
        registration = self._spec.registered.get(dut.name) if dut is not None else None
        if registration is None:
            return None
        name = {
            "supplier": registration.notified_supplier,
            "operator": registration.notified_network_operator,
        }.get(duty)
        return self._users[name] if name is not None else None

    def _user(self, dut: Dut, role: RemotePartyRole) -> User | None:
        registration = self._spec.registered.get(dut.name)
        if registration is not None:
            supplies = role is RemotePartyRole.SUPPLIER
            name = registration.supplier if supplies else registration.network_operator
            if name is not None:
                return self._users[name]
        wanted = _ROLE_OF.get(dut.type, {}).get(role)
        return next((user for user in self._users.values() if user.role == wanted), None)
