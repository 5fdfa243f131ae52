"""What passed over the wires, as it passed: one transcript a wire, and the forms that other tools open.

Every `wire` event is one line of `captures/SOURCE.jsonl`, or of `captures/SOURCE.CHANNEL.jsonl` where its data name
a `channel` by text. Besides, what has `hex` on the channel "gbcs" makes `SOURCE.gbcs.hex`, one message a line, and what
has `hex` and a signal's `power_dbm`, `lqi` and radio `channel` is a frame off the air and makes `SOURCE.pcapng`; a
picture (PNG) in `hex` is a file of its own, too.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import canonical
from bench.clock import Instant
from bench.durable import AppendFile, DurableWriter, StorageError
from bench.events import Event
from bench.evidence.redact import HIDDEN, Redactor
from bench.zigbee.pcapng import Packet, PcapngWriter

FOLDER = "captures"
"""The folder of captures in a bundle."""

_PNG = "89504e470d0a1a0a"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")


def file_name(text: str) -> str:
    """A name as a file name that any file system keeps: other than small letters, digits, _ and - become %xx."""
    return "".join(char if char in _PLAIN else "".join(f"%{byte:02x}" for byte in char.encode()) for char in text)


class Captures:
    """Writes captures as wire events come; subscribe `receive` to the stream.

    Args:
        folder: where, existing.
        writer: who writes; what was received is with the operating system after its barrier.
        redactor: keeps secrets out.
    """

    def __init__(self, folder: Path, writer: DurableWriter, redactor: Redactor) -> None:
        self._folder = folder
        self._writer = writer
        self._redactor = redactor
        self._files: dict[str, AppendFile] = {}
        self._stems: dict[tuple[str, Any], str] = {}
        self._packets: dict[str, PcapngWriter] = {}
        self._refused: StorageError | None = None

    @property
    def files(self) -> list[AppendFile]:
        """The captures that there are, by name."""
        return [self._files[name] for name in sorted(self._files)]

    def receive(self, event: Event) -> None:
        """Take one event; never raises, `check` does."""
        if event.kind != "wire":
            return
        try:
            self._take(event)
        except StorageError as error:
            self._refused = self._refused or error
        except Exception as error:
            # Whatever a driver puts into its data, the other listeners must get the event too.
            self._refused = self._refused or _refusal(event.source, error)

    def check(self) -> None:
        """Raise StorageError if something since the last check could not be recorded."""
        refused, self._refused = self._refused, None
        if refused is not None:
            raise refused

    def _take(self, event: Event) -> None:
        data = event.data
        channel = data.get("channel")
        stem = self._stems.get((event.source, channel))
        if stem is None:
            parts = [event.source, channel] if isinstance(channel, str) else [event.source]
            stem = self._stems[event.source, channel] = ".".join(file_name(part) for part in parts)
        line: dict[str, Any] = {"data": data if type(data) is dict else dict(data)}
        if event.volatile:
            line["volatile"] = dict(event.volatile)
        line["mono_ns"], line["utc_ns"] = event.at.mono_ns, event.at.utc_ns
        self._file(f"{stem}.jsonl").append(canonical.to_bytes(self._redactor.encode(line) + "\n"))
        if "hex" in data:
            if channel == "gbcs":
                self._file(f"{stem}.hex").append(self._redactor.text(data["hex"]).encode("ascii") + b"\n")
            elif str(data["hex"]).startswith(_PNG):
                number = sum(name.startswith(f"{stem}.") and name.endswith(".png") for name in self._files)
                name = f"{stem}.png" if number == 0 else f"{stem}.{number + 1}.png"
                self._file(name).append(bytes.fromhex(data["hex"]))
            elif "power_dbm" in data:
                self._frame(f"{stem}.pcapng", event.source, event.at, data)

    def _frame(self, name: str, source: str, at: Instant, data: Mapping[str, Any]) -> None:
        psdu = self._redactor.text(data["hex"])
        if HIDDEN in psdu:
            return
        packets = self._packets.get(name)
        if packets is None:
            packets = self._packets[name] = PcapngWriter(_Sink(self._file(name)), source)
        # A frame was on the air before the sniffer's line about it arrived.
        utc_ns = at.utc_ns + data.get("air_mono_ns", at.mono_ns) - at.mono_ns
        packet = Packet(utc_ns, bytes.fromhex(psdu), data["channel"], data["power_dbm"], data["lqi"])
        packets.write(packet)

    def _file(self, name: str) -> AppendFile:
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = self._writer.create(self._folder / name)
        return file


def _refusal(source: str, cause: Exception) -> StorageError:
    refusal = StorageError(f"an exchange on the wire cannot be recorded: {cause}", where=source)
    refusal.__cause__ = cause
    return refusal


class _Sink(io.BytesIO):
    """A binary stream that hands what is written to an append-only file."""

    def __init__(self, file: AppendFile) -> None:
        super().__init__()
        self._file = file

    def write(self, data: Any, /) -> int:
        self._file.append(bytes(data))
        return len(data)
