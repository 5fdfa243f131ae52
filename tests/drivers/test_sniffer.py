"""A sniffer as a witness: what it hears, on which channel, and what of it is damaged."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
from pydantic import ValidationError

from bench.capabilities import HanSniffer
from bench.device import DeviceContext
from bench.errors import DeviceError
from bench.zigbee.mac import fcs
from drivers.emulated.sniffer_wire import Dialect
from drivers.sniffer import NrfSniffer, SnifferConfig
from tests.drivers.sniffer_bench import CHANNEL, PARTIES, STAGES, connected, run_night
from tests.drivers.surroundings import NoCounters, Surroundings
from tests.zigbee.han import ESME, INSTALL_CODE, NETWORK, join


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_join_is_witnessed_in_every_dialect(tmp_path: Path, dialect: Dialect) -> None:
    async with connected(tmp_path, {"dialect": dialect}) as (bench, sniffer):
        assert isinstance(sniffer, HanSniffer) and not sniffer.can_see()
        await sniffer.listen(CHANNEL)
        assert sniffer.can_see()
        begun = bench.loop.time()
        await bench.air()
        assert bench.stages() == STAGES
        assert bench.heard() == [frame.psdu for frame in join()]
        seen = bench.of("seen.han")
        assert {data["device"] for data in seen} == {str(ESME)}
        assert "missed" not in seen[-1] and seen[-1]["short_address"] == seen[0]["short_address"] is not None
        frames = [data for data in bench.of("wire") if "hex" in data]
        assert {(data["channel"], data["power_dbm"], data["lqi"]) for data in frames} == {(CHANNEL, -48, 212)}
        elapsed = sum(frame.delay_s for frame in join())
        assert frames[-1]["device_us"] - frames[0]["device_us"] == pytest.approx(elapsed * 1e6, abs=2)
        assert frames[0]["air_mono_ns"] == pytest.approx(begun * 1e9, abs=2000)
        assert sniffer.garbled == 0 and sniffer.frames == len(frames)
        said = " ".join(str(event.data) for event in bench.events)
        assert NETWORK.network_key.hex() not in said and INSTALL_CODE not in said
    assert bench.states() == ["connected", "closed"]


async def test_start_sequence_is_the_firmwares(tmp_path: Path) -> None:
    async with connected(tmp_path, channel=CHANNEL) as (bench, sniffer):
        assert sniffer.can_see() and bench.wire.receiving
        sent = [data["text"] for data in bench.of("wire") if data["direction"] == "tx"]
        assert sent == ["", "sleep", f"channel {CHANNEL}", "channel", "receive", "channel"]
    assert not bench.wire._receiving


async def test_sleeping_sniffer_says_nothing_on_the_right_channel(tmp_path: Path) -> None:
    async with connected(tmp_path) as (bench, sniffer):
        bench.wire._han_channel = bench.wire._channel
        await bench.air()
        assert bench.heard() == [] and (sniffer.frames, sniffer.garbled) == (0, 0) and not bench.wire.receiving


async def test_answer_that_looks_like_the_echo_is_an_answer(tmp_path: Path) -> None:
    async with connected(tmp_path) as (bench, sniffer):
        wire = bench.wire
        plainly = wire._command

        def wordy(text: str) -> None:
            plainly(text) if text != "channel" else wire.line.send(b"channel\r\nchannel %d\r\n" % wire._channel)

        wire.line._on_line = wordy
        await sniffer.listen(CHANNEL)
        assert sniffer.can_see()


async def test_wrong_channel_hears_nothing_and_is_left_when_told(tmp_path: Path) -> None:
    async with connected(tmp_path, channel=11) as (bench, sniffer):
        await bench.air()
        assert bench.heard() == [] and sniffer.can_see()
        await sniffer.listen(CHANNEL)
        assert sniffer.gaps() == 1, "what was on the air meanwhile"
        await bench.air()
        assert bench.stages() == STAGES


async def test_no_such_channel(tmp_path: Path) -> None:
    async with connected(tmp_path) as (_, sniffer):
        for channel in (10, 27):
            with pytest.raises(DeviceError, match="not one of 11 to 26"):
                await sniffer.listen(channel)


async def test_channel_that_the_firmware_does_not_take_is_an_error(tmp_path: Path) -> None:
    async with connected(tmp_path) as (bench, sniffer):
        bench.wire.line._on_line = lambda text: bench.wire._command("sleep" if text.startswith("channel ") else text)
        with pytest.raises(DeviceError, match="told to use channel 20 and is on 11"):
            await sniffer.listen(CHANNEL)
        assert not sniffer.can_see()


async def test_garbled_lines_are_counted_and_reported_and_the_rest_is_heard(tmp_path: Path) -> None:
    async with connected(tmp_path, channel=CHANNEL) as (bench, sniffer):
        frames = [frame.psdu for frame in join()]
        for number, psdu in enumerate(frames):
            if number in (3, 8, 9):
                bench.wire.line.garble_next()
            bench.wire.air(psdu)
            await asyncio.sleep(0.01)
        heard = bench.heard()
        assert sniffer.garbled == 3
        assert heard == [psdu for number, psdu in enumerate(frames) if number not in (3, 8, 9)]
        reports = [data["detail"] for data in bench.of("device") if data["state"] == "garbled"]
        assert [report.split()[0] for report in reports] == ["1", "2"]
        # The transport key was damaged, so the network key is not known: what follows is unseen, not invented.
        assert bench.stages() == ["association"]


async def test_frame_with_a_wrong_fcs_is_damage_once_the_firmware_proved_to_print_it(tmp_path: Path) -> None:
    async with connected(tmp_path, channel=CHANNEL) as (bench, sniffer):
        line = bench.wire.line
        psdu = join()[0].psdu

        def say(check: bytes) -> None:
            line.send(f"received: {(psdu + check).hex()} power: -40 lqi: 9 time: 5\r\n".encode())

        say(b"\x12\x80")  # some radios put LQI and status in the place of the FCS
        await asyncio.sleep(0.01)
        assert bench.heard() == [psdu] and sniffer.garbled == 0
        say(fcs(psdu))
        say(b"\x12\x80")
        await asyncio.sleep(0.01)
        assert bench.heard() == [psdu, psdu] and sniffer.garbled == 1


async def test_frame_that_is_no_zigbee_is_kept_in_the_capture(tmp_path: Path) -> None:
    async with connected(tmp_path, channel=CHANNEL) as (bench, sniffer):
        bench.wire.air(bytes.fromhex("01a800ffff"))
        await asyncio.sleep(0.01)
        (frame,) = [data for data in bench.of("wire") if "hex" in data]
        assert frame["hex"] == "01a800ffff" and "version 2" in frame["summary"]
        assert sniffer.garbled == 0


async def test_endless_line_is_bounded(tmp_path: Path) -> None:
    async with connected(tmp_path, channel=CHANNEL) as (bench, sniffer):
        for _ in range(20):
            bench.wire.line.send(b"x" * 1000)
            await asyncio.sleep(0.01)
        bench.wire.line.send(b"\r\n")
        bench.wire.air(join()[0].psdu)
        await asyncio.sleep(0.01)
        assert bench.heard() == [join()[0].psdu]
        assert sniffer.garbled >= 10
        assert sniffer.gaps() == sniffer.garbled and sniffer.can_see()


async def test_firmware_without_echo_and_prompt_over_a_socket() -> None:
    stream = Surroundings()
    channel, receiving, done = 11, False, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal channel, receiving
        try:
            while line := (await reader.readline()).decode():
                match line.split():
                    case ["channel", number]:
                        channel = int(number)
                    case ["channel"]:
                        writer.write(b"Channel: %d\n" % channel)
                    case ["receive"]:
                        receiving = True
                        for frame in join():
                            writer.write(b"r " + base64.b64encode(frame.psdu) + b" -39 220 15822687\n")
        finally:
            writer.close()
            done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = SnifferConfig(resource=f"socket://127.0.0.1:{port}", channel=26)
    sniffer = NrfSniffer(DeviceContext("sniffer", stream.stream, PARTIES, NoCounters()), config)
    await sniffer.connect()
    await asyncio.sleep(0.1)
    assert (channel, receiving, sniffer.can_see()) == (26, True, True)
    assert [data["stage"] for data in stream.of("seen.han")] == STAGES
    await sniffer.close()
    await sniffer.close()
    await done.wait()
    server.close()
    await server.wait_closed()


@pytest.mark.realtime
async def test_whole_life_on_an_ordinary_loop(tmp_path: Path) -> None:
    async with connected(tmp_path, channel=CHANNEL) as (bench, sniffer):
        for frame in join():
            bench.wire.air(frame.psdu)
        joined, lost = asyncio.Event(), asyncio.Event()
        bench.stream.subscribe(lambda event: joined.set() if event.data.get("stage") == "join" else None)
        bench.stream.subscribe(lambda event: lost.set() if event.data.get("state") == "lost" else None)
        async with asyncio.timeout(5):
            await joined.wait()
        bench.wire.unplug()
        async with asyncio.timeout(5):
            await lost.wait()
        assert bench.stages() == STAGES
        await asyncio.sleep(0.05)
        assert not sniffer.can_see()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_same_seed_same_stream(tmp_path: Path, seed: int) -> None:
    first = run_night(tmp_path / "a", seed)
    assert first == run_night(tmp_path / "b", seed)
    assert sum(kind == "seen.han" for _, kind, _ in first) >= 10


@pytest.mark.parametrize("resource", ["ttyACM0", "socket://host", "socket://host:port", ""])
def test_what_is_no_port_is_refused_in_the_rig_file(resource: str) -> None:
    with pytest.raises(ValidationError, match="socket://HOST:PORT"):
        SnifferConfig(resource=resource)


async def test_jumping_clock_is_reported(tmp_path: Path) -> None:
    async with connected(tmp_path, channel=CHANNEL) as (bench, _):
        bench.wire.air(join()[0].psdu)
        bench.wire._uptime_us += 3_600_000_000
        bench.wire.air(join()[0].psdu)
        await asyncio.sleep(0.01)
        assert any("its clock jumped by +3600.000 s" in data["detail"] for data in bench.of("device"))
