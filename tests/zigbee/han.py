"""A HAN for tests: its network, its devices, and what a listener with every key makes of their frames."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from bench.eui import Eui64
from bench.zigbee.frame import Frame, decode, learn
from bench.zigbee.join import JoinStage, JoinTracker
from bench.zigbee.join_sequence import HanNetwork, TimedFrame, join_sequence
from bench.zigbee.security import Keys, link_key_from_install_code

HUB = Eui64.parse("90-B3-D5-1F-30-00-00-0A")
ESME = Eui64.parse("00-DB-12-34-56-78-90-A0")
GSME = Eui64.parse("00-DB-12-34-56-78-90-A1")
INSTALL_CODE = "00112233445566778899AABBCCDDEEFF"
LINK_KEY = link_key_from_install_code(INSTALL_CODE)
NETWORK = HanNetwork(0x1A2B, HUB, bytes.fromhex("0f1e2d3c4b5a69788796a5b4c3d2e1f0"))
ALL_KEYS = Keys(network=(NETWORK.network_key,), link=(LINK_KEY,))


def join(device: Eui64 = ESME, seed: int = 1, **options: int) -> list[TimedFrame]:
    return join_sequence(NETWORK, device, LINK_KEY, Random(seed), **options)


def timed(frames: Iterable[TimedFrame], begin_ns: int = 0) -> list[tuple[int, bytes]]:
    at_s, out = 0.0, []
    for frame in frames:
        at_s += frame.delay_s
        out.append((begin_ns + round(at_s * 1e9), frame.psdu))
    return out


def track(air: Iterable[tuple[int, bytes]], keys: Keys, tracker: JoinTracker | None = None) -> list[JoinStage]:
    tracker = tracker or JoinTracker()
    found: list[JoinStage] = []
    for at_ns, psdu in air:
        frame = decode(psdu, keys)
        keys = learn(keys, frame)
        found += tracker.feed(at_ns, frame)
    return found


def decoded(frames: Iterable[TimedFrame], keys: Keys) -> list[Frame]:
    out = []
    for timed_frame in frames:
        out.append(decode(timed_frame.psdu, keys))
        keys = learn(keys, out[-1])
    return out
