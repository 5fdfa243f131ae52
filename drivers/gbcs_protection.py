"""Whether a GBCS message from a device is what it claims: by signature, or by a MAC that only its two ends can make."""

from __future__ import annotations

from bench.errors import BenchError
from bench.eui import Eui64
from bench.gbcs.crypto import message_key, verify_mac, verify_signature
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Framing, Message
from bench.gbcs.protected import content_key, is_concealed, reveal
from bench.parties import KeyUse, Parties

VALID = "valid"


def check_protection(message: Message, parties: Parties, *, broker_vouches: bool = False) -> str:
    """Verify a message that a device sent, and return "valid" or a sentence that says why it is not.

    A signature is verified with the originator's digital signature certificate, a MAC with the key that the
    recipient's key agreement key and the originator's certificate give (GBCS section 4).

    Args:
        message: as the device sent it.
        parties: whose keys and certificates there are.
        broker_vouches: a MAC for the Access Control Broker counts. Only the DCC can check it, and does so before it
            passes a response on in a document that it signs itself.
    """
    try:
        if message.signature is not None:
            reason = _check_signature(message, parties)
            if reason != VALID:
                return reason
        if message.framing is not Framing.MACED:
            return _signed(message)
        if broker_vouches and message.recipient == parties.dcc:
            return VALID
        return _check_mac(message, parties)
    except (BenchError, ValueError) as error:
        return f"the certificate of {message.originator} cannot be used: {error}"


def _signed(message: Message) -> str:
    return VALID if message.framing is Framing.SIGNED else "the GBCS message is not protected"


def _check_signature(message: Message, parties: Parties) -> str:
    key = parties.certificates.public_key(message.originator, KeyUse.DIGITAL_SIGNATURE)
    if key is None:
        return f"no digital signature certificate of {message.originator} is trusted"
    return VALID if verify_signature(message, key) else "the GBCS signature does not verify"


def _check_mac(message: Message, parties: Parties) -> str:
    user = parties.user_by_eui(message.recipient)
    if user is None:
        return f"the MAC is for {message.recipient}, whose key the bench does not have"
    public_key = parties.certificates.public_key(message.originator, KeyUse.KEY_AGREEMENT)
    if public_key is None:
        return f"no key agreement certificate of {message.originator} is trusted"
    key = message_key(message, user.agreement.private_key, public_key)
    return VALID if verify_mac(message, key) else "the MAC does not verify"


def in_the_clear(message: Message, parties: Parties) -> Message:
    """Return a response with what its device encrypted for a User of the bench in the clear.

    Raises:
        GbcsError: the User's key or the device's certificate is not at hand, or the content was made with other keys.
    """
    if not is_concealed(message.content):
        return message
    recipient, _ = answers(message)
    user = parties.user_by_eui(recipient)
    public_key = parties.certificates.public_key(message.originator, KeyUse.KEY_AGREEMENT)
    if user is None or public_key is None:
        missing = f"the key of {recipient}" if user is None else f"a key agreement certificate of {message.originator}"
        raise GbcsError("the content is encrypted", expected=missing)
    return reveal(message, content_key(message, user.agreement.private_key, public_key))


def answers(message: Message) -> tuple[Eui64, int]:
    """The User that a message is for and the counter of the request it answers.

    Where the Access Control Broker stands between, both are the supplementary ones: the originator counter is then
    that of the broker's own command.
    """
    party = message.supplementary_remote_party or message.recipient
    counter = message.supplementary_remote_party_counter
    return party, message.originator_counter if counter is None else counter
