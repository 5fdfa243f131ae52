"""From the bytes of a frame to what it says, as far as the keys at hand allow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.eui import Eui64
from bench.zigbee.application import (
    DEVICE_ANNOUNCE_CLUSTER,
    KEY_ESTABLISHMENT_CLUSTER,
    ZDO_PROFILE,
    DeviceAnnounce,
    KeyEstablishment,
    Zcl,
    read_device_announce,
    read_key_establishment,
    read_zcl,
)
from bench.zigbee.aps import ApsFrame, ApsType, KeyType, TransportKey, Tunnel, read_aps, read_aps_command
from bench.zigbee.mac import FrameType, MacFrame, parse_mac
from bench.zigbee.nwk import NwkFrame, NwkType, read_command, read_nwk
from bench.zigbee.reader import Reader, ZigbeeError
from bench.zigbee.security import Keys, SecurityHeader

Content = DeviceAnnounce | KeyEstablishment | Zcl
"""What the data of an application support frame can say."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, layer by layer; a layer that is absent, encrypted or unreadable is None.

    Attributes:
        mac: always there.
        nwk: the network frame of a data frame.
        aps: the application support frame; of a tunnel, the one inside.
        tunnel: the tunnel command in which `aps` came.
        content: what its data says.
        undecoded: bytes that no layer understood: ciphertext, or what follows a fault.
        problem: why they were not understood; empty if nothing is left over or its kind is simply not read here.
        encrypted: whether it ends at a layer that no known key opens.
    """

    mac: MacFrame
    nwk: NwkFrame | None = None
    aps: ApsFrame | None = None
    tunnel: Tunnel | None = None
    content: Content | None = None
    undecoded: bytes = b""
    problem: str = ""
    encrypted: bool = False

    @property
    def summary(self) -> str:
        """One line for people; it never shows a key."""
        parts = [str(self.mac) if self.nwk is None else str(self.nwk)]
        if self.nwk is not None and self.nwk.command is not None:
            parts.append(str(self.nwk.command))
        if self.tunnel is not None:
            parts.append(str(self.tunnel))
        if self.content is not None:
            parts.append(str(self.content))
        elif self.aps is not None:
            parts.append(str(self.aps.command or self.aps))
        if self.aps is not None and self.aps.fragment is not None:
            parts.append(str(self.aps.fragment))
        if self.problem:
            parts.append(self.problem)
        return ": ".join(parts[:2]) + "".join(f", {part}" for part in parts[2:])


def decode(psdu: bytes, keys: Keys | None = None) -> Frame:
    """Decode a frame as far as its bytes and the keys allow, in time linear in its length and the number of keys.

    Args:
        psdu: the frame without its FCS.
        keys: what is known to decrypt with; nothing if left out.

    Raises:
        ZigbeeError: not even the MAC header can be read. A fault higher up gives the layers below it, with the rest
            in `Frame.undecoded` and the reason in `Frame.problem`.
    """
    mac, reader = parse_mac(psdu)
    if mac.type is not FrameType.DATA:
        left = reader.rest()
        return Frame(mac, undecoded=left, problem=f"{len(left)} bytes follow its end" if left else "")
    if not reader.remaining:
        return Frame(mac)
    return _Decoder(Frame(mac), reader, keys or Keys()).run()


def learn(keys: Keys, frame: Frame) -> Keys:
    """The keys with those added that a decrypted transport key command hands out."""
    command = frame.aps.command if frame.aps is not None else None
    if not isinstance(command, TransportKey):
        return keys
    return keys.with_network(command.key) if command.type is KeyType.NETWORK else keys.with_link(command.key)


class _Encrypted(ZigbeeError):
    """No known key opens the layer at which the reader stands."""


class _Decoder:
    """Goes up the layers of a data frame.

    Attributes:
        frame: what is known so far.
        reader: stands after that.
        mark: where the layer begins that is being read; after a fault, everything from there is left over.
        complete: whether bytes after the last layer would be a fault.
    """

    def __init__(self, frame: Frame, reader: Reader, keys: Keys) -> None:
        self.frame = frame
        self.reader = reader
        self.keys = keys
        self.mark = reader.position
        self.complete = True

    def run(self) -> Frame:
        """Decode, whatever comes."""
        problem, encrypted = "", False
        try:
            self._network()
            if self.complete:
                self.mark = self.reader.position
                self.reader.finish("what the frame says")
        except _Encrypted as error:
            problem, encrypted = error.what, True
        except ZigbeeError as error:
            self.reader.position = self.mark
            problem = str(error)
        return replace(self.frame, undecoded=self.reader.rest(), problem=problem, encrypted=encrypted)

    def _network(self) -> None:
        nwk, header = read_nwk(self.reader)
        self.frame = replace(self.frame, nwk=nwk)
        if nwk.type is NwkType.INTER_PAN:
            self.complete = False
            return
        self._open(nwk.security, header, nwk.source_eui)
        if nwk.type is NwkType.COMMAND:
            self.frame = replace(self.frame, nwk=replace(nwk, command=read_command(self.reader)))
            return
        self._application_support()

    def _application_support(self) -> None:
        aps, header = read_aps(self.reader)
        self.frame = replace(self.frame, aps=aps)
        self._open(aps.security, header, self._originator())
        if aps.type is ApsType.COMMAND:
            command = read_aps_command(self.reader)
            self.frame = replace(self.frame, aps=replace(aps, command=command))
            if isinstance(command, Tunnel) and self.frame.tunnel is None:
                self.frame = replace(self.frame, tunnel=command, aps=None)
                self._enter(Reader(command.inner, self.reader.offset - len(command.inner)))
                self._application_support()
        elif aps.type is ApsType.DATA:
            self._content(aps)

    def _content(self, aps: ApsFrame) -> None:
        if aps.fragment is not None and aps.fragment.block:
            self.complete = False
        elif aps.profile == ZDO_PROFILE:
            self.complete = aps.cluster == DEVICE_ANNOUNCE_CLUSTER
            if self.complete:
                self.frame = replace(self.frame, content=read_device_announce(self.reader))
        else:
            zcl = read_zcl(self.reader)
            self.frame = replace(self.frame, content=zcl)
            if aps.cluster == KEY_ESTABLISHMENT_CLUSTER:
                offset = self.reader.offset - len(zcl.payload)
                self.mark = self.reader.position - len(zcl.payload)
                content = read_key_establishment(zcl, offset, fragment=aps.fragment is not None)
                self.frame = replace(self.frame, content=content or zcl)

    def _originator(self) -> Eui64 | None:
        """The EUI-64 of who made the frame, if the network layer gives it away: its security names the last hop."""
        nwk = self.frame.nwk
        if nwk is None or nwk.source_eui is not None or nwk.security is None:
            return nwk.source_eui if nwk is not None else None
        return nwk.security.source if self.frame.mac.source == nwk.source else None

    def _open(self, security: SecurityHeader | None, header: bytes, source: Eui64 | None) -> None:
        """Put a reader of the clear payload in place of one of the sealed payload."""
        if security is None:
            self.mark = self.reader.position
            return
        sealed = self.reader.data[self.reader.position :]
        clear = security.open(self.keys.candidates(security.key_id), header, sealed, source=source)
        if clear is None:
            raise _Encrypted(f"encrypted with the {security.key_id}")
        # The cipher keeps positions: byte n of the clear payload was byte n of the sealed one.
        self._enter(Reader(clear, self.reader.offset))

    def _enter(self, reader: Reader) -> None:
        self.reader, self.mark = reader, reader.position
