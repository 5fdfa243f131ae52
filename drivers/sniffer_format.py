"""What the nRF 802.15.4 sniffer firmwares print for a frame, and how their clock relates to the bench's."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from bench.zigbee.mac import MAX_PSDU, check_fcs
from bench.zigbee.reader import ZigbeeError

_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PROMPT = re.compile(r"^(?:[\w-]*:~\$ ?)+")
_TAIL = r"\s+power:\s+(-?\d{1,4})\s+lqi:\s+(\d{1,4})\s+time:\s+(-?\d{1,20})"
_WITH_FCS = re.compile(r"received:\s+([0-9a-fA-F]+)" + _TAIL)
_WITHOUT_FCS = re.compile(r"psdu:\s+([0-9a-fA-F]+)" + _TAIL)
_BASE64 = re.compile(r"r\s+([A-Za-z0-9+/]+={0,2})\s+(-?\d{1,4})\s+(\d{1,4})\s+(\d{1,20})")

_WRAP_US = 1 << 32
_JUMP_US = 5_000_000
_MAX_DRIFT_PPM = 100


@dataclass(frozen=True, slots=True)
class SniffedFrame:
    """One frame as the sniffer printed it.

    Attributes:
        psdu: the frame without its FCS.
        power_dbm: received signal strength.
        lqi: link quality indication, 0 to 255.
        device_us: the sniffer's own time as printed, in microseconds; 32 bits of it in older firmware.
        fcs_ok: whether the FCS is right; None where the firmware prints none. A radio may put other bytes in its
            place, so False means little until True has been seen.
    """

    psdu: bytes
    power_dbm: int
    lqi: int
    device_us: int
    fcs_ok: bool | None


def plain(line: str) -> str:
    """What a terminal would show of a line, without the prompt: what is printed after a return hides the rest."""
    shown = _ESCAPE.sub("", line).strip("\r\n \x00").rpartition("\r")[2]
    return _PROMPT.sub("", shown).strip()


def parse_line(text: str) -> SniffedFrame | None:
    """Read a plain line of any of the three formats; None if it is something else, or damaged."""
    fcs_ok: bool | None = None
    try:
        if match := _WITH_FCS.fullmatch(text):
            psdu, fcs_ok = check_fcs(bytes.fromhex(match[1]))
        elif match := _WITHOUT_FCS.fullmatch(text):
            psdu = bytes.fromhex(match[1])
        elif (match := _BASE64.fullmatch(text)) and len(match[1]) % 4 == 0:
            psdu = base64.b64decode(match[1], validate=True)
        else:
            return None
    except (ValueError, binascii.Error, ZigbeeError):
        return None
    power_dbm, lqi, device_us = int(match[2]), int(match[3]), int(match[4])
    if not 3 <= len(psdu) <= MAX_PSDU - 2 or lqi > 255 or not -150 <= power_dbm <= 50:
        return None
    return SniffedFrame(psdu, power_dbm, lqi, device_us, fcs_ok)


@dataclass(frozen=True, slots=True)
class AirTime:
    """When a frame was on the air.

    Attributes:
        device_us: the sniffer's time without wraps, counted from where its first frame stood.
        mono_ns: best estimate on the bench's monotonic scale, never later than the line's arrival.
        jumped_us: how far the sniffer's clock departed from the bench's since the frame before; 0 if it did not.
    """

    device_us: int
    mono_ns: int
    jumped_us: int = 0


class DeviceClock:
    """Relates the sniffer's microseconds to the bench's clock.

    Lines arrive late, never early: the least difference between arrival and device time is the best guess of their
    offset, and may grow only as fast as two crystals can drift apart. Which wrap of a 32-bit time is meant follows
    from the time between arrivals, even after hours of silence.
    """

    def __init__(self) -> None:
        self._device_us: int | None = None
        self._arrival_ns = 0
        self._offset_ns = 0

    def relate(self, printed_us: int, arrival_ns: int) -> AirTime:
        """Place one frame, in the order of arrival.

        Args:
            printed_us: the time as printed; negative if the firmware prints 32 bits as signed.
            arrival_ns: when the line arrived, on the bench's monotonic scale.
        """
        raw_us = printed_us % _WRAP_US if printed_us < 0 else printed_us
        if self._device_us is None:
            return self._anchor(raw_us, arrival_ns, 0)
        elapsed_ns = arrival_ns - self._arrival_ns
        expected_us = self._device_us + elapsed_ns // 1000
        wraps = round((expected_us - raw_us) / _WRAP_US)
        device_us = raw_us + max(0, wraps) * _WRAP_US
        if abs(device_us - expected_us) > _JUMP_US + elapsed_ns // 1000 * _MAX_DRIFT_PPM // 1_000_000:
            return self._anchor(raw_us, arrival_ns, device_us - expected_us)
        drift_ns = max(0, device_us - self._device_us) * _MAX_DRIFT_PPM // 1000
        self._offset_ns = min(self._offset_ns + drift_ns, arrival_ns - device_us * 1000)
        self._device_us, self._arrival_ns = device_us, arrival_ns
        return AirTime(device_us, device_us * 1000 + self._offset_ns)

    def _anchor(self, device_us: int, arrival_ns: int, jumped_us: int) -> AirTime:
        self._device_us, self._arrival_ns = device_us, arrival_ns
        self._offset_ns = arrival_ns - device_us * 1000
        return AirTime(device_us, arrival_ns, jumped_us)
