"""Keys and frame security of Zigbee (Zigbee specification, clause 4 and annexes A to C).

AES-CCM* with a 4-byte MIC over header and payload. The security level goes over the air as 0 and is put back to
5 (encrypt, MIC-32) before nonce and authenticated data are made (4.3.1.1). Keys are secrets: none is ever printed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from bench.errors import UsageError
from bench.eui import Eui64
from bench.zigbee.reader import Reader, ZigbeeError, eui_bytes, u8, u16, u32

WELL_KNOWN_LINK_KEY = b"ZigBeeAlliance09"
"""The default global trust centre link key (4.6.3.2.2.1)."""

MIC_BYTES = 4

_LEVEL_ENC_MIC_32 = 5
_EXTENDED_NONCE = 0x20
_INSTALL_CODE_BYTES = (6, 8, 12, 16)


class KeyId(IntEnum):
    """Which key secures a frame (4.5.1.1.2)."""

    LINK = 0
    NETWORK = 1
    KEY_TRANSPORT = 2
    KEY_LOAD = 3

    def __str__(self) -> str:
        return f"{self.name.lower().replace('_', '-')} key"


@dataclass(frozen=True, slots=True)
class SecurityHeader:
    """The auxiliary header (4.5.1).

    Attributes:
        key_id: which key secures the frame.
        frame_counter: the sender's outgoing counter for that key.
        source: EUI-64 of the device that secured the frame; None if it goes without saying.
        key_sequence: number of the network key, present only with one.
        level: security level as it came over the air, usually 0.
        flags: bits 6 and 7 of the security control field, as they came.
    """

    key_id: KeyId
    frame_counter: int
    source: Eui64 | None = None
    key_sequence: int | None = None
    level: int = 0
    flags: int = 0

    def encode(self, *, level: int | None = None) -> bytes:
        """The header's bytes, with `level` in place of its own if given."""
        control = (self.level if level is None else level) | self.key_id << 3 | self.flags << 6
        control |= _EXTENDED_NONCE if self.source is not None else 0
        out = u8(control) + u32(self.frame_counter)
        out += eui_bytes(self.source) if self.source is not None else b""
        return out + (u8(self.key_sequence) if self.key_sequence is not None else b"")

    @classmethod
    def read(cls, reader: Reader) -> SecurityHeader:
        """Read the header.

        Raises:
            ZigbeeError: it is cut short.
        """
        control = reader.uint(1, "the security control field")
        key_id = KeyId(control >> 3 & 3)
        counter = reader.uint(4, "the frame counter")
        source = reader.eui("the security source address") if control & _EXTENDED_NONCE else None
        sequence = reader.uint(1, "the key sequence number") if key_id is KeyId.NETWORK else None
        return cls(key_id, counter, source, sequence, control & 7, control >> 6)

    def _nonce(self, source: Eui64) -> bytes:
        return eui_bytes(source) + u32(self.frame_counter) + self.encode(level=_LEVEL_ENC_MIC_32)[:1]

    def protect(self, key: bytes, header: bytes, payload: bytes, *, source: Eui64 | None = None) -> bytes:
        """Encrypt and authenticate a payload; returns auxiliary header, ciphertext and MIC.

        Args:
            key: 16 bytes.
            header: the network or application support header before the auxiliary header.
            payload: in clear.
            source: who secures it, where the auxiliary header does not say.
        """
        sender = self.source or source
        if sender is None:
            raise ZigbeeError("nobody is named as the sender of a secured frame")
        aad = header + self.encode(level=_LEVEL_ENC_MIC_32)
        sealed = AESCCM(key, tag_length=MIC_BYTES).encrypt(self._nonce(sender), payload, aad)
        return self.encode() + sealed

    def open(self, keys: Iterable[bytes], header: bytes, sealed: bytes, *, source: Eui64 | None = None) -> bytes | None:
        """Decrypt with the first key that fits; None if none does or the sender is not known."""
        sender = self.source or source
        if sender is None or len(sealed) < MIC_BYTES:
            return None
        aad, nonce = header + self.encode(level=_LEVEL_ENC_MIC_32), self._nonce(sender)
        for key in keys:
            try:
                return AESCCM(key, tag_length=MIC_BYTES).decrypt(nonce, sealed, aad)
            except InvalidTag:
                continue
        return None


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that somebody listening knows.

    Attributes:
        network: network keys, newest first.
        link: link keys with the trust centre: one for each device, made from its install code, and the well-known one.
    """

    network: tuple[bytes, ...] = field(default=(), repr=False)
    link: tuple[bytes, ...] = field(default=(), repr=False)

    def with_network(self, key: bytes) -> Keys:
        """The same keys and one more network key, in front."""
        return Keys((key, *(other for other in self.network if other != key)), self.link)

    def with_link(self, key: bytes) -> Keys:
        """The same keys and one more link key, in front."""
        return Keys(self.network, (key, *(other for other in self.link if other != key)))

    def candidates(self, key_id: KeyId) -> Iterable[bytes]:
        """The keys that a frame naming `key_id` may be secured with, in the order to try."""
        match key_id:
            case KeyId.NETWORK:
                return self.network
            case KeyId.LINK:
                return self.link
            case KeyId.KEY_TRANSPORT:
                return (key_transport_key(key) for key in self.link)
            case KeyId.KEY_LOAD:
                return (key_load_key(key) for key in self.link)


def aes_mmo(data: bytes) -> bytes:
    """The Matyas-Meyer-Oseas hash with AES-128 (annex B.6), of less than 8 kB."""
    bits = len(data) * 8
    if bits >= 0x10000:
        raise ZigbeeError(f"{len(data)} bytes are too many for this hash")
    padded = data + b"\x80"
    padded += bytes((14 - len(padded)) % 16) + bits.to_bytes(2, "big")
    digest = bytes(16)
    for at in range(0, len(padded), 16):
        block = padded[at : at + 16]
        # ECB of a single block is the bare cipher, which is what the construction asks for.
        cipher = Cipher(algorithms.AES(digest), modes.ECB()).encryptor()
        digest = bytes(a ^ b for a, b in zip(cipher.update(block), block, strict=True))
    return digest


def _keyed_hash(key: bytes, data: bytes) -> bytes:
    """HMAC (FIPS 198) over `aes_mmo`, whose block and output are 16 bytes (annex C.4)."""
    inner = aes_mmo(bytes(byte ^ 0x36 for byte in key) + data)
    return aes_mmo(bytes(byte ^ 0x5C for byte in key) + inner)


def key_transport_key(link_key: bytes) -> bytes:
    """The key that secures the transport of a network key (4.5.3)."""
    return _keyed_hash(link_key, b"\x00")


def key_load_key(link_key: bytes) -> bytes:
    """The key that secures the transport of a link key (4.5.3)."""
    return _keyed_hash(link_key, b"\x02")


def _install_code_crc(data: bytes) -> bytes:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return u16(crc ^ 0xFFFF)


def link_key_from_install_code(text: str) -> bytes:
    """The trust centre link key that an install code makes (Smart Energy profile, 5.4.8.1).

    Args:
        text: hexadecimal; 6, 8, 12 or 16 bytes as DUIS carries them, or with their two CRC bytes as a label does.
            Of 8 bytes the last two are taken for a CRC only if they are the right one.

    Raises:
        UsageError: it is something else, or its CRC is wrong; the sentence does not repeat the secret.
    """
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raise UsageError("an install code is not hexadecimal", next_step="Check it against the label") from None
    has_crc = raw[-2:] == _install_code_crc(raw[:-2])
    if has_crc and len(raw) - 2 in _INSTALL_CODE_BYTES:
        return aes_mmo(raw)
    if len(raw) in _INSTALL_CODE_BYTES:
        return aes_mmo(raw + _install_code_crc(raw))
    if len(raw) - 2 in _INSTALL_CODE_BYTES:
        raise UsageError("the CRC of an install code is wrong", next_step="Check it against the label")
    raise UsageError(
        f"an install code has {len(raw)} bytes", next_step="Give its 16 bytes, with or without the two CRC bytes"
    )
