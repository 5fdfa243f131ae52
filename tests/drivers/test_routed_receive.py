"""Rigs of several processes at one address: each message finds its rig, whoever accepts it and whoever is gone."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from bench import kept_messages
from bench.clock import RealClock
from bench.duis.request_id import RequestId
from bench.errors import BenchError, DeviceError
from bench.eui import Eui64
from bench.service.address import reachable
from bench.shared_address import Directory, Part, addresses_of, kept_of, new_entry, read_entries, socket_of
from drivers import member_socket, routed_receive
from drivers.emulated.tls_material import make_material
from drivers.receive_address import Address
from drivers.shared_receive import join
from drivers.tls import TlsFiles
from tests.drivers.addresses import Rig, about, answering, dead_pid, free_address, post, soon, taking_part
from tests.drivers.dcc_fake import DCC, ED, ESME, GSME, IS, STRANGER

pytestmark = pytest.mark.realtime
ELSEWHERE = Eui64.parse("00-DB-12-34-56-78-99-A0")


def entry_of(rig: Rig, address: Address, folder: Path) -> Part:
    """What an engine of another process leaves on disk for a rig."""
    use = read_entries(folder)[0].use
    return Part(folder, new_entry(rig.name, "dcc", use, users=[IS], devices=[rig.device], dcc=DCC))


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(routed_receive, "LOOK_S", 0.01)
    return tmp_path / "shared"


def folder_at(shared: Path, address: Address) -> Path:
    return shared / f"127.0.0.1:{address.port}"


@pytest.mark.parametrize("processes", ["one", "several"])
async def test_those_whom_it_concerns_most_get_it_and_what_concerns_nobody_is_refused_by_all(
    processes: str, shared: Path
) -> None:
    address = free_address()
    one, two, three = Rig("one", ESME), Rig("two", GSME, refusal="it is wrong"), Rig("three", GSME)
    request = RequestId(IS, ESME, 7)
    where = shared if processes == "several" else None
    async with taking_part(address, one, where), taking_part(address, two, where) as second:
        assert await post(address, about(ESME, IS)) == (204, "")
        assert await post(address, about(GSME, IS)) == (400, "it is wrong")
        # A User of both, and no device; what cannot be read; a device of the one and a User of nobody.
        assert await post(address, about(DCC, IS)) == (204, "")
        assert await post(address, b"<no") == (204, "")
        assert await post(address, about(ESME, ED)) == (204, "")
        assert (len(one.got), len(two.got)) == (4, 3)
        # Whose request it is counts more than whose device: two asked it.
        two.asked.add(request)
        second.asked(request)
        assert await post(address, answering(request)) == (400, "it is wrong")
        assert (len(one.got), len(two.got)) == (4, 4)
        async with taking_part(address, three, where):
            assert await post(address, about(GSME, IS, 2)) == (204, "")
            assert (two.got[-1], three.got) == (about(GSME, IS, 2), [about(GSME, IS, 2)])
            status, why = await post(address, about(ELSEWHERE, STRANGER))
            assert (status, "no device and no User" in why) == (400, True)
            assert [len(rig.refusals) for rig in (one, two, three)] == [1, 1, 1]
            assert (await post(address, b"", "/elsewhere"))[0] == 404
            # The one that accepts it puts it on record at once, the others as soon as they are told.
            await soon(lambda: [len(rig.refusals) for rig in (one, two, three)] == [2, 2, 2])
    assert (len(one.got), len(two.got), len(three.got)) == (4, 5, 1)


@pytest.mark.parametrize("processes", ["one", "several"])
async def test_the_address_stays_as_long_as_one_rig_does_and_is_free_again_after_it(
    processes: str, shared: Path
) -> None:
    address = free_address()
    one, two = Rig("one", ESME), Rig("two", GSME)
    where = shared if processes == "several" else None
    async with taking_part(address, two, where):
        async with taking_part(address, one, where):
            with pytest.raises(DeviceError, match=r"rig one.* takes what is posted .* by another path, or other TLS"):
                await join(replace(address, path="/y"), None, Rig("three", GSME).member, where)
        posts = [post(address, about(GSME, IS, number)) for number in range(40)]
        assert await asyncio.gather(*posts) == [(204, "")] * 40
        assert len(two.got) == 40
    with pytest.raises(ConnectionRefusedError):
        await post(address, about(GSME, IS))
    # Also for another use.
    async with taking_part(replace(address, path="/y"), one, where):
        assert (await post(address, about(ESME, IS), "/y"))[0] == 204


async def test_whoever_accepts_ends_tls(shared: Path, tmp_path: Path) -> None:
    for name, content in make_material(RealClock().now().utc, ["127.0.0.1"], ["127.0.0.1"]).items():
        (tmp_path / name).write_bytes(content)
    ca, bench, dcc = (tmp_path / f"{name}.pem" for name in ("ca", "bench", "dcc"))
    ours = TlsFiles(ca=ca, certificate=bench, key=bench.with_suffix(".key"))
    theirs = TlsFiles(ca=ca, certificate=dcc, key=dcc.with_suffix(".key")).context(server=False)
    address = replace(free_address(), tls=repr(ours))
    one, two = Rig("one", ESME), Rig("two", GSME)
    first, second = one.member, two.member
    opened = await join(address, ours.context(server=True), first, shared)
    joined = await join(address, ours.context(server=True), second, shared)
    opened.rig_connected()
    joined.rig_connected()
    posts = [post(address, about(device, IS, n), tls=theirs) for n in range(10) for device in (ESME, GSME)]
    assert await asyncio.gather(*posts) == [(204, "")] * 20
    with pytest.raises(OSError):
        await post(address, about(ESME, IS), tls=TlsFiles(ca=ca).context(server=False))
    await opened.leave(first)
    assert (await post(address, about(GSME, IS), tls=theirs))[0] == 204
    await joined.leave(second)
    assert (len(one.got), len(two.got)) == (10, 11)


async def test_what_is_in_the_way_is_named(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routed_receive, "JOIN_S", 0.2)
    address = free_address()
    one = Rig("one", ESME)
    async with taking_part(address, one, shared):
        with pytest.raises(DeviceError, match=rf"rig one \(process {os.getpid()}\) takes .* by another path, or other"):
            await join(replace(address, path="/y"), None, Rig("two", GSME).member, shared)
        with pytest.raises(DeviceError, match=rf"rig one \(process {os.getpid()}\) takes .* already"):
            await join(address, None, Rig("one", GSME).member, shared)
        # Its state is in another folder: so an engine of another user would find it, too.
        with pytest.raises(DeviceError, match="HILBENCH_STATE"):
            await join(address, None, Rig("two", GSME).member, shared / "other")
        assert [entry.rig for entry in read_entries(folder_at(shared, address))] == ["one"]
        folder_at(shared, address).chmod(0o755)
        with pytest.raises(BenchError, match="can be used by others than this user"):
            await join(address, None, Rig("two", GSME).member, shared)


async def test_what_comes_for_a_rig_whose_engine_is_gone_waits_for_it(shared: Path) -> None:
    address = free_address()
    one, two = Rig("one", ESME), Rig("two", GSME)
    async with taking_part(address, one, shared):
        folder = folder_at(shared, address)
        gone = entry_of(two, address, folder)
        gone.close()
        dead = replace(gone.entry, pid=dead_pid())
        (path,) = folder.glob(f"two+dcc.{dead.token}.json")
        path.write_text(path.read_text().replace(str(os.getpid()), str(dead.pid)))
        assert [entry.here for entry in read_entries(folder)] == [True, False]
        assert await post(address, about(GSME, IS)) == (204, "")
        # For both: the one that is there does not wait for the other, which has it later.
        assert await post(address, about(DCC, IS)) == (204, "")
        # Nobody can read it, and the one that is there refuses it.
        one.refusal = "it is no DUIS"
        assert await post(address, b"<no") == (400, "it is no DUIS")
        assert (one.got, one.refusals) == ([about(DCC, IS), b"<no"], [])
        kept = kept_of(folder, dead)
        assert [file.stat().st_mode & 0o777 for file in kept.iterdir()] == [0o600, 0o600]
        async with taking_part(address, two, shared, complete=False):
            assert await post(address, about(GSME, IS, 3)) == (204, "")
        assert two.got == [], "a rig that lacks a device closes again, and forgets all"
        async with taking_part(address, two, shared):
            await soon(lambda: len(two.got) == 3)
            assert two.got == [about(GSME, IS), about(DCC, IS), about(GSME, IS, 3)]
            assert two.peers[0].startswith("127.0.0.1, kept for ")
            assert list(kept.iterdir()) == []
            # What is left of its life before is gone.
            assert len(read_entries(folder)) == 2
        # It left as it should. What is for it alone is kept all the same, until it has been away for long.
        assert await post(address, about(GSME, IS, 2)) == (204, "")
        assert len(list(kept.iterdir())) == 1


async def test_a_rig_that_stays_away_is_forgotten(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = free_address()
    one, two = Rig("one", ESME), Rig("two", GSME)
    async with taking_part(address, one, shared):
        async with taking_part(address, two, shared):
            pass
        assert (await post(address, about(GSME, IS)))[0] == 204
        monkeypatch.setattr(routed_receive, "AWAY_S", 0.0)
        assert (await post(address, about(GSME, IS, 2)))[0] == 400
        assert len(one.refusals) == 1
        assert [entry.rig for entry in read_entries(folder_at(shared, address))] == ["one"]


async def test_an_engine_that_begins_takes_nothing_before_all_devices_of_its_rig_are_there(shared: Path) -> None:
    address = free_address()
    one = Rig("one", ESME)
    async with taking_part(address, one, shared, complete=False) as service:
        assert await post(address, about(ESME, IS)) == (204, "")
        # Nobody has looked at it, and it is for nobody in particular.
        assert await post(address, b"<no") == (503, "no rig takes it yet")
        assert one.got == []
        service.rig_connected()
        await soon(lambda: one.got == [about(ESME, IS)])
        # If the DCC repeats itself, that is another one.
        assert await post(address, about(ESME, IS)) == (204, "")
        assert one.got == [about(ESME, IS)] * 2


async def test_a_full_disk_makes_the_dcc_post_again(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_messages, "MOST", 0)
    address = free_address()
    one, two = Rig("one", ESME), Rig("two", ESME)
    async with taking_part(address, one, shared):
        gone = entry_of(two, address, folder_at(shared, address))
        gone.close()
        document = about(ESME, IS)
        status, why = await post(address, document)
        assert (status, "rig two does not take it" in why) == (503, True)
        # It has it, and does not take it for another one when it comes again.
        monkeypatch.setattr(kept_messages, "MOST", 1)
        assert await post(address, document) == (204, "")
        assert one.got == [document]
        assert await post(address, about(ESME, IS, 2)) == (503, why.replace("0 messages", "1 messages"))


async def test_an_engine_that_hangs_keeps_nobody_waiting_but_for_its_own(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_socket, "ANSWER_S", 0.5)
    address = free_address()
    one, two = Rig("one", ESME), Rig("two", GSME)
    async with taking_part(address, one, shared):
        folder = folder_at(shared, address)
        part = entry_of(two, address, folder)
        with socket.socket(socket.AF_UNIX) as hung:
            with reachable(socket_of(folder, part.entry)) as name:
                hung.bind(name)
            hung.listen(1)
            waits = asyncio.create_task(post(address, about(GSME, IS)))
            await asyncio.sleep(0)
            assert await post(address, about(ESME, IS)) == (204, "")
            assert not waits.done()
            assert await waits == (204, "")
            # More than the kernel lets wait.
            posts = [post(address, about(DCC, IS, number)) for number in range(5)]
            assert await asyncio.gather(*posts) == [(204, "")] * 5
        assert len(one.got) == 6
        part.leave()
        async with taking_part(address, two, shared):
            await soon(lambda: len(two.got) == 6)


async def test_a_message_whose_bearer_died_is_taken_once(shared: Path) -> None:
    address = free_address()
    one = Rig("one", ESME)
    async with taking_part(address, one, shared):
        folder = folder_at(shared, address)
        door = socket_of(folder, read_entries(folder)[0])
        document = about(ESME, IS)
        async with member_socket.offered(door, document, "192.0.2.1") as taken:
            assert taken.refusal is None
            # The DCC never hears of it, and posts it again.
        assert await post(address, document) == (204, "")
        assert one.got == [document]
        # That was settled: if it comes a third time, the DCC repeats itself.
        assert await post(address, document) == (204, "")
        assert one.got == [document] * 2


async def test_a_rig_that_hung_takes_once_what_was_offered_and_then_kept(shared: Path) -> None:
    address = free_address()
    one = Rig("one", ESME)
    async with taking_part(address, one, shared):
        folder = folder_at(shared, address)
        (entry,) = read_entries(folder)
        door, kept = socket_of(folder, entry), kept_of(folder, entry)
        for number in (1, 2):
            document = about(ESME, IS, number)
            if number == 1:
                async with member_socket.offered(door, document, ""):
                    pass
            kept_messages.keep(kept, document, "")
            await soon(lambda: not kept_messages.count(kept))
            if number == 2:
                async with member_socket.offered(door, document, "") as taken:
                    assert taken.refusal is None
                    taken.settle()
            assert one.got == [about(ESME, IS, each) for each in range(1, number + 1)]
        # From now on the DCC would repeat itself.
        assert await post(address, about(ESME, IS, 1)) == (204, "")
        assert len(one.got) == 3


async def test_strangers_at_a_rigs_socket_get_nothing(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = free_address()
    one = Rig("one", ESME)
    async with taking_part(address, one, shared):
        folder = folder_at(shared, address)
        door = socket_of(folder, read_entries(folder)[0])
        assert door.stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700
        for nonsense in (
            b"\n",
            b"[]\n",
            b'{"do": "take", "peer": "", "length": 99999999}\n',
            b"x" * 100_000,
            b'{"do": 1}',
        ):
            with reachable(door) as name:
                reader, writer = await asyncio.open_unix_connection(name)
            writer.write(nonsense)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        monkeypatch.setattr(os, "getuid", lambda: 12345)
        with pytest.raises(member_socket.NotTakenError):
            async with member_socket.offered(door, about(ESME, IS), ""):
                pass
        with pytest.raises(member_socket.NotTakenError):
            await asyncio.to_thread(member_socket.fetch_listener, door)
        assert one.got == []


def test_a_forged_or_half_written_entry_is_no_entry(shared: Path) -> None:
    folder = shared / "127.0.0.1:1"
    folder.mkdir(parents=True)
    part = Part(folder, new_entry("one", "dcc", "", users=[IS], devices=[ESME], dcc=DCC))
    part.asked(RequestId(IS, ESME, 1))
    part.asked(RequestId(IS, ESME, 1))
    (folder / "two+dcc.1.json").write_text((folder / f"one+dcc.{part.entry.token}.json").read_text())
    whole_entry = json.loads((folder / f"one+dcc.{part.entry.token}.json").read_text())
    for number, nonsense in enumerate(("{", "{}", "[]", "7")):
        (folder / f"three+dcc.{number}.json").write_text(nonsense)
    for wrong in ({"pid": "1"}, {"users": ["IS"]}, {"dcc": 7}):
        entry = whole_entry | {"rig": "four", "token": "1"} | wrong
        (folder / "four+dcc.1.json").write_text(json.dumps(entry))
        assert [each.rig for each in read_entries(folder)] == ["one"]
    requests = folder / f"one+dcc.{part.entry.token}.requests"
    whole = requests.read_text()
    requests.write_text(whole + "nonsense\n" + str(RequestId(IS, ESME, 12))[:-1])
    directory = Directory(folder)
    (known,) = directory.read()
    assert known.requests == {RequestId(IS, ESME, 1)}
    with requests.open("a") as file:
        file.write("2\n")
    (known,) = directory.read()
    assert known.requests == {RequestId(IS, ESME, 1), RequestId(IS, ESME, 12)}
    assert whole == f"{RequestId(IS, ESME, 1)}\n"
    assert list(addresses_of(shared, "one")) == ["127.0.0.1:1"]
    assert addresses_of(shared, "two") == {}
    assert json.loads((folder / f"one+dcc.{part.entry.token}.json").read_text())["left"] is False
    part.leave()
    (entry,) = read_entries(folder)
    assert entry.left
    assert not entry.here
