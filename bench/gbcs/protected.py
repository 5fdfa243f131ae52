"""Content that nobody but a device and its User can read: personal data in responses and in one alert (GBCS 7.2.6).

A use case that is `protected` writes and reads the *plain* form of its response. The device conceals it before it
signs or seals the message, and the User reveals it after it has checked both; the Access Control Broker between
them sees only that there was an answer. What is encrypted:

- DLMS: the data of a get-protected-attributes response (class 30), an octet-string beside the parameters that name
  the key. In the plain form the octet-string holds the A-XDR of the attributes.
- GBZ: the payload of every ZigBee command but a default response, which is why bit 1 of its control field is set.

The key is that of the message's parties with `ENCRYPTION_CRA` in place of the CRA byte. Where the Access Control
Broker is the message's recipient, the supplementary party and the supplementary originator counter take the place
of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bench.eui import Eui64
from bench.gbcs import dlms, gbz
from bench.gbcs.crypto import ENCRYPTION_CRA, derive_key
from bench.gbcs.dlms import Data, Tag
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
from bench.gbcs.gbz_tree import is_gbz
from bench.gbcs.message import MAC_LENGTH, Cra, Message

SECURITY_HEADER = bytes.fromhex("3100000000")
"""Authentication and encryption, invocation counter 0."""

_ADDITIONAL_AUTHENTICATED_DATA = SECURITY_HEADER[:1]
_AGREED_KEY = Data(
    Tag.STRUCTURE,
    (
        Data(Tag.ENUM, 2),
        Data(Tag.STRUCTURE, (dlms.octet_string(b"\x02"), dlms.octet_string(b""))),  # C(0e, 2s ECC CDH), no data
    ),
)
_AUTHENTICATED_AND_ENCRYPTED = Data(Tag.ENUM, 2)
_OVERHEAD = len(SECURITY_HEADER) + MAC_LENGTH


def parameters(originator: Eui64, counter: int, recipient: Eui64) -> Data:
    """Return the protection parameters of a get-protected-attributes request or response."""
    options = Data(
        Tag.STRUCTURE,
        (
            dlms.octet_string(bytes([ENCRYPTION_CRA]) + counter.to_bytes(8, "big")),
            dlms.octet_string(originator.raw),
            dlms.octet_string(recipient.raw),
            dlms.octet_string(b""),
            _AGREED_KEY,
        ),
    )
    return Data(Tag.ARRAY, (Data(Tag.STRUCTURE, (_AUTHENTICATED_AND_ENCRYPTED, options)),))


UNADDRESSED = parameters(Eui64(bytes(8)), 0, Eui64(bytes(8)))
"""What a use case writes; `address` puts the parties and the counter of the message in."""


def are_parameters(data: Data) -> bool:
    """Return whether data have the shape of protection parameters, whosever they are."""
    try:
        (element,) = _parts(data, Tag.ARRAY, 1)
        protection, options = _parts(element, Tag.STRUCTURE, 2)
        transaction, originator, recipient, other, key = _parts(options, Tag.STRUCTURE, 5)
        sizes = [len(each.octets) for each in (transaction, originator, recipient, other)]
    except GbcsError:
        return False
    return (protection, key, sizes) == (_AUTHENTICATED_AND_ENCRYPTED, _AGREED_KEY, [9, 8, 8, 0])


def address(message: Message) -> Message:
    """Return a command or response of a protected use case with its own parties and counter in the content.

    Raises:
        GbcsError: the content is not DLMS of an access request or response.
    """
    if is_gbz(message.content):
        return message
    originator, counter, recipient = _ends(message)
    wanted = parameters(originator, counter, recipient)
    return replace(message, content=_rewrite(message.content, lambda data: wanted if are_parameters(data) else data))


def content_key(
    message: Message, private_ka: ec.EllipticCurvePrivateKey, public_ka: ec.EllipticCurvePublicKey
) -> bytes:
    """Derive the 16-byte key of a response's or alert's protected content.

    Args:
        message: the response or alert.
        private_ka: key agreement key of one end, the device or the User.
        public_ka: key agreement key of the other end.
    """
    originator, counter, recipient = _ends(message)
    return derive_key(private_ka, public_ka, originator, ENCRYPTION_CRA, counter, recipient)


def encrypt(plain: bytes, key: bytes, originator: Eui64) -> bytes:
    """Return security header, ciphertext and 12-byte tag of some content.

    Args:
        plain: what nobody else is to read.
        key: as `content_key` derives it.
        originator: who encrypts it.
    """
    encryptor = Cipher(algorithms.AES(key), modes.GCM(_vector(originator))).encryptor()
    encryptor.authenticate_additional_data(_ADDITIONAL_AUTHENTICATED_DATA)
    ciphertext = encryptor.update(plain) + encryptor.finalize()
    return SECURITY_HEADER + ciphertext + encryptor.tag[:MAC_LENGTH]


def decrypt(ciphered: bytes, key: bytes, originator: Eui64) -> bytes:
    """Return what `encrypt` was given.

    Raises:
        GbcsError: it is too short, has another security header, or was made with another key.
    """
    if len(ciphered) < _OVERHEAD or not ciphered.startswith(SECURITY_HEADER):
        raise GbcsError("this is no encrypted content", expected=f"{SECURITY_HEADER.hex()}, ciphertext and tag")
    body, tag = ciphered[len(SECURITY_HEADER) : -MAC_LENGTH], ciphered[-MAC_LENGTH:]
    mode = modes.GCM(_vector(originator), tag, min_tag_length=MAC_LENGTH)
    decryptor = Cipher(algorithms.AES(key), mode).decryptor()
    decryptor.authenticate_additional_data(_ADDITIONAL_AUTHENTICATED_DATA)
    try:
        return decryptor.update(body) + decryptor.finalize()
    except InvalidTag:
        raise GbcsError("the encrypted content was made with another key", expected="a key of these parties") from None


def conceal(message: Message, key: bytes, in_the_clear: tuple[int, ...] = ()) -> Message:
    """Return a response of a protected use case with what is personal encrypted; a refusal stays as it is.

    Args:
        message: the response in its plain form.
        key: as `content_key` derives it.
        in_the_clear: cluster ids of which ZigBee commands stay as they are.

    Raises:
        GbcsError: the content is not that of a response.
    """

    def component(plain: Component) -> Component:
        if (
            plain.encrypted
            or plain.cluster in in_the_clear
            or (plain.command == gbz.DEFAULT_RESPONSE and not plain.frame_control & 0x03)
        ):
            return plain
        return replace(plain, payload=encrypt(plain.payload, key, message.originator), encrypted=True)

    return replace(
        message, content=_change(message.content, component, lambda plain: encrypt(plain, key, message.originator))
    )


def reveal(message: Message, key: bytes) -> Message:
    """Return a message with all that was concealed in the clear; neither signature nor tag are right for it then.

    Raises:
        GbcsError: the key is wrong, or the content is not that of a response.
    """

    def component(found: Component) -> Component:
        if not found.encrypted:
            return found
        return replace(found, payload=decrypt(found.payload, key, message.originator), encrypted=False)

    return replace(
        message, content=_change(message.content, component, lambda found: decrypt(found, key, message.originator))
    )


def is_concealed(content: bytes) -> bool:
    """Return whether a response holds something that only its User can read.

    Raises:
        GbcsError: the content is neither DLMS nor GBZ of a response.
    """
    if is_gbz(content):
        return any(component.encrypted for component in gbz.read_components(content))
    _, results = dlms.decode_response(content)
    protected = [_parts(each.data, Tag.STRUCTURE, 2)[1] for each in results if _is_protected(each.data)]
    return any(each.octets.startswith(SECURITY_HEADER) for each in protected)


def _change(content: bytes, component: Callable[[Component], Component], octets: Callable[[bytes], bytes]) -> bytes:
    if is_gbz(content):
        return gbz.encode_components(*map(component, gbz.read_components(content)))

    def data(found: Data) -> Data:
        if not _is_protected(found):
            return found
        parameters_, protected = _parts(found, Tag.STRUCTURE, 2)
        return Data(Tag.STRUCTURE, (parameters_, dlms.octet_string(octets(protected.octets))))

    return _rewrite(content, data)


def _is_protected(data: Data) -> bool:
    """Whether data are what a get-protected-attributes response holds: parameters and an octet-string."""
    try:
        parameters_, protected = _parts(data, Tag.STRUCTURE, 2)
    except GbcsError:
        return False
    return are_parameters(parameters_) and protected.tag is Tag.OCTET_STRING


def _rewrite(content: bytes, change: Callable[[Data], Data]) -> bytes:
    """Return an access request or response with its data changed, outermost first."""

    def deep(data: Data) -> Data:
        changed = change(data)
        if changed is data and isinstance(data.value, tuple):
            return Data(data.tag, tuple(deep(each) for each in data.value))
        return changed

    if content.startswith(dlms.RESPONSE_TAG):
        invoke_id, results = dlms.decode_response(content)
        return dlms.encode_response(invoke_id, tuple(replace(each, data=deep(each.data)) for each in results))
    invoke_id, accesses = dlms.decode_request(content)
    return dlms.encode_request(invoke_id, tuple(replace(each, data=deep(each.data)) for each in accesses))


def _ends(message: Message) -> tuple[Eui64, int, Eui64]:
    """Originator, counter and recipient of the content: of a message by way of the broker, the User's in its place."""
    party = message.supplementary_remote_party
    if message.cra is Cra.COMMAND:
        counter = message.supplementary_remote_party_counter
        return party or message.originator, _either(counter, message), message.recipient
    return message.originator, _either(message.supplementary_originator_counter, message), party or message.recipient


def _either(counter: int | None, message: Message) -> int:
    return message.originator_counter if counter is None else counter


def _vector(originator: Eui64) -> bytes:
    return originator.raw + SECURITY_HEADER[1:]


def _parts(data: Data, tag: Tag, count: int) -> tuple[Data, ...]:
    """Return the elements of an array or structure of so many.

    Raises:
        GbcsError: it is something else.
    """
    if data.tag is not tag or not isinstance(data.value, tuple) or len(data.value) != count:
        raise GbcsError(f"found {data.tag.name.lower()} data", expected=f"{tag.name.lower()} of {count}")
    return data.value
