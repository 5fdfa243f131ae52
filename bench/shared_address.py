"""Who takes what is posted to an address that several rigs share, on disk: so the engines of a bench find each other.

The address has a folder beside the rigs' state folders. Each gateway that takes part has a file there that says what
concerns it, another one that grows by each request that it sends, and a Unix socket at which it is reached. All of it
is read by the other engines, and none of them is asked anything: one that hangs keeps nobody waiting.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from bench.clock import boot_id
from bench.duis.errors import DuisError
from bench.duis.request_id import RequestId
from bench.durable import storage_error
from bench.errors import BenchError
from bench.eui import Eui64
from bench.lease import alive

_NO_ENTRY = (OSError, ValueError, TypeError, KeyError, AttributeError, BenchError)
"""What reading the file of an entry may come to: another process removes it, or it is none."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A rig's gateway at an address.

    Attributes:
        rig: the rig.
        device: the gateway's name in it.
        token: tells one time that it took part from the next.
        pid: of its engine.
        boot: the boot of the machine in which that process runs.
        use: tells one use of the address (path, TLS) from another, without its content.
        users: EUI-64 of the rig's Users.
        devices: EUI-64 of its devices under test.
        dcc: EUI-64 of the DCC.
        left: whether it takes no part any more.
    """

    rig: str
    device: str
    token: str
    pid: int
    boot: str
    use: str
    users: tuple[str, ...]
    devices: tuple[str, ...]
    dcc: str
    left: bool = False

    @property
    def here(self) -> bool:
        """Whether its process still runs and takes part."""
        return not self.left and self.boot == boot_id() and alive(self.pid)

    @property
    def name(self) -> str:
        """What its files are called; no rig and no device has a '+' in its name."""
        return f"{self.rig}+{quote(self.device, safe='')}"

    def __str__(self) -> str:
        return f"rig {self.rig} (process {self.pid})"


def shared_root(rig_folder: Path) -> Path:
    """Where the folders of what rigs share are.

    Args:
        rig_folder: the state folder of one of them.
    """
    return rig_folder.parent / "shared"


def address_folder(shared: Path, host: str, port: int) -> Path:
    """The folder of an address. A shared device has no ':' in its name."""
    return shared / f"{host}:{port}"


def new_entry(
    rig: str, device: str, use: str, *, users: Iterable[object], devices: Iterable[object], dcc: object
) -> Entry:
    """An entry for a gateway of this process."""
    told = tuple(sorted(map(str, users))), tuple(sorted(map(str, devices))), str(dcc)
    return Entry(rig, device, secrets.token_hex(8), os.getpid(), boot_id(), use, *told)


class Part:
    """This process's own entry, until `leave`; what the same gateway left there before is taken away.

    Raises:
        StorageError: it cannot be written.
    """

    def __init__(self, folder: Path, entry: Entry) -> None:
        self.entry = entry
        self._folder, self._fd = folder, -1
        self._told: set[RequestId] = set()
        try:
            for seen in read_entries(folder):
                if seen.name == entry.name:
                    forget(folder, seen)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(_requests_path(folder, entry), flags, 0o600)
            self._write(entry)
        except OSError as error:
            self.close()
            raise storage_error(error, "the shared address cannot be joined", folder) from None

    def asked(self, request_id: RequestId) -> None:
        """Let the others know of a request, before it is sent.

        Raises:
            StorageError: it cannot be written.
        """
        if request_id in self._told or self._fd < 0:
            return
        try:
            os.write(self._fd, f"{request_id}\n".encode())
        except OSError as error:
            raise storage_error(error, "other engines cannot be told of a request", self._folder) from None
        self._told.add(request_id)

    def leave(self) -> None:
        """Take no part any more; what concerned it stays known to those that do, so that they keep it."""
        self.close()
        # Whoever finds the process gone comes to the same conclusion.
        with contextlib.suppress(OSError):
            if _path(self._folder, self.entry).exists():
                self._write(replace(self.entry, left=True))

    def close(self) -> None:
        """Free the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, entry: Entry) -> None:
        draft = self._folder / f"{entry.name}.new"
        with open(draft, "w", opener=_private) as file:
            json.dump(asdict(entry), file)
        draft.replace(_path(self._folder, entry))


@dataclass(slots=True)
class Known:
    """What is known of an entry: the entry itself, and the requests that it has sent so far."""

    entry: Entry
    written_ns: int
    requests: set[RequestId] = field(default_factory=set)
    read: int = 0


class Directory:
    """The entries of one address; each time only what is new is read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Path, Known] = {}

    def read(self) -> list[Known]:
        """Everybody who takes part, or did until his engine ended."""
        found = {}
        for path in _paths(self._folder):
            try:
                written_ns = path.stat().st_mtime_ns
                known = self._known.get(path)
                if known is None:
                    known = Known(_read(path), written_ns)
                elif known.written_ns != written_ns:
                    known.entry, known.written_ns = _read(path), written_ns
                self._read_requests(known)
            except _NO_ENTRY:
                continue  # it leaves just now, or is no entry
            found[path] = known
        self._known = found
        return list(found.values())

    def _read_requests(self, known: Known) -> None:
        fd = os.open(_requests_path(self._folder, known.entry), os.O_RDONLY | os.O_CLOEXEC)
        try:
            while data := os.pread(fd, 1 << 16, known.read):
                # Of a line that is just being written the rest comes next time.
                whole = data[: data.rfind(b"\n") + 1]
                if not whole:
                    break
                known.read += len(whole)
                for line in whole.decode(errors="replace").splitlines():
                    with contextlib.suppress(DuisError):
                        known.requests.add(RequestId.parse(line))
        finally:
            os.close(fd)


def socket_of(folder: Path, entry: Entry) -> Path:
    """The Unix socket at which an entry's engine takes what is for it."""
    return folder / f"{entry.name}.sock"


def kept_of(folder: Path, entry: Entry) -> Path:
    """The folder of the messages that are kept for an entry (bench/kept_messages.py)."""
    return folder / f"{entry.name}.kept"


def forget(folder: Path, entry: Entry) -> None:
    """Take away the files of an entry whose engine is gone; not its socket, which the rig's next engine has too."""
    for path in (_path(folder, entry), _requests_path(folder, entry)):
        path.unlink(missing_ok=True)


def read_entries(folder: Path) -> list[Entry]:
    """Who takes part at an address, or did until his engine ended, by name of the rig."""
    found = []
    for path in _paths(folder):
        with contextlib.suppress(*_NO_ENTRY):
            found.append(_read(path))
    return found


def make_folder(shared: Path, host: str, port: int) -> Path:
    """Make the folder of an address, without what was left there before the machine was started.

    Raises:
        StorageError: it cannot be made.
        BenchError: it belongs to somebody else.
    """
    folder = address_folder(shared, host, port)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = folder.stat()
    except OSError as error:
        raise storage_error(error, "the folder of a shared address cannot be made", folder) from None
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise BenchError(
            "the folder of a shared address can be used by others than this user",
            where=str(folder),
            next_step=f"Let all engines run as one user, and make it private: chmod 700 {folder}",
        )
    for entry in read_entries(folder):
        if entry.boot != boot_id():
            forget(folder, entry)
    return folder


def addresses_of(shared: Path, rig: str) -> dict[str, list[Entry]]:
    """The addresses at which a rig takes part, or did until its engine ended, and everybody at each."""
    found = {}
    for folder in sorted(shared.glob("*:*")):
        entries = read_entries(folder)
        if any(entry.rig == rig for entry in entries):
            found[folder.name] = entries
    return found


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("*+*.json"))


def _path(folder: Path, entry: Entry) -> Path:
    return folder / f"{entry.name}.{entry.token}.json"


def _requests_path(folder: Path, entry: Entry) -> Path:
    return folder / f"{entry.name}.{entry.token}.requests"


def _read(path: Path) -> Entry:
    found = json.loads(path.read_text())
    entry = Entry(**found | {name: tuple(found[name]) for name in ("users", "devices")})
    for text in (*entry.users, *entry.devices, entry.dcc):
        Eui64.parse(text)
    if not isinstance(entry.pid, int):
        raise ValueError(f"{entry.pid!r} is no process")
    # The file of an entry is called as that says: a forged one names no file anywhere else.
    if path.name != f"{entry.name}.{entry.token}.json":
        raise ValueError(f"{path} is not called so")
    return entry


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
