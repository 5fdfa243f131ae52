"""The HAN sniffer's driver against its emulated firmware, over a pty and over a socket, and how that goes wrong."""

from __future__ import annotations

import asyncio
import base64
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.capabilities import HanSniffer
from bench.device import DeviceContext
from bench.errors import DeviceError, DeviceLost
from bench.parties import Certificates, DeviceType, Dut, Parties
from bench.zigbee.mac import fcs
from drivers.emulated.sniffer_wire import Dialect, SnifferWire
from drivers.sniffer import NrfSniffer, SnifferConfig
from drivers.sniffer_format import DeviceClock, SniffedFrame, parse_line, plain
from tests.drivers.surroundings import NoCounters, Surroundings
from tests.zigbee.han import ESME, HUB, INSTALL_CODE, NETWORK, join

PARTIES = Parties(
    users={},
    duts={"esme": Dut("esme", DeviceType.ESME, ESME, install_code=INSTALL_CODE)},
    dcc=HUB,
    certificates=Certificates(),
)
CHANNEL = 20
STAGES = ["association", "transport_key", "device_announce", "cbke", "join"]


class Bench(Surroundings):
    """A sniffer on its serial line, and the emulated air around it."""

    def __init__(self, folder: Path, **wire: Any) -> None:
        super().__init__()
        self.wire = SnifferWire(folder / "sniffer", CHANNEL, Random(1), **wire)

    def driver(self, **config: Any) -> NrfSniffer:
        settings = SnifferConfig.model_validate({"resource": str(self.wire.line.link)} | config)
        return NrfSniffer(DeviceContext("sniffer", self.stream, PARTIES, NoCounters()), settings)

    async def air(self, seed: int = 1) -> None:
        for frame in join(seed=seed):
            await asyncio.sleep(frame.delay_s)
            self.wire.air(frame.psdu)
        await asyncio.sleep(0.01)

    def heard(self) -> list[bytes]:
        return [bytes.fromhex(data["hex"]) for data in self.of("wire") if "hex" in data]

    def stages(self) -> list[str]:
        return [data["stage"] for data in self.of("seen.han")]


@asynccontextmanager
async def connected(
    folder: Path, wire: dict[str, Any] | None = None, **config: Any
) -> AsyncIterator[tuple[Bench, NrfSniffer]]:
    bench = Bench(folder, **(wire or {}))
    bench.wire.plug()
    sniffer = bench.driver(**config)
    try:
        await sniffer.connect()
        yield bench, sniffer
    finally:
        await sniffer.close()
        bench.wire.close()


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


async def test_unplugged_sniffer_is_lost_and_takes_up_its_channel_when_it_is_back(tmp_path: Path) -> None:
    async with connected(tmp_path, channel=CHANNEL) as (bench, sniffer):
        assert sniffer.gaps() == 0
        bench.wire.unplug()
        await asyncio.sleep(0.1)
        assert not sniffer.can_see() and sniffer.gaps() == 1
        assert bench.states() == ["connected", "lost"]
        lost = bench.of("device")[-1]["detail"]
        assert "sniffer (" in lost and "Check its cable" in lost
        with pytest.raises(DeviceLost, match="unplugged or does not answer"):
            await sniffer.listen(CHANNEL)
        await asyncio.sleep(60)
        assert bench.states() == ["connected", "lost"]
        bench.wire.plug()
        await asyncio.sleep(40)
        assert bench.states() == ["connected", "lost", "reconnected"]
        assert sniffer.can_see()
        await bench.air()
        assert bench.stages() == STAGES


async def test_silent_sniffer_is_found_out_by_asking(tmp_path: Path) -> None:
    async with connected(tmp_path, channel=CHANNEL, probe="30 s") as (bench, sniffer):
        await asyncio.sleep(300)
        assert bench.states() == ["connected"] and sniffer.can_see()
        bench.wire.line.silent = True
        await asyncio.sleep(40)
        assert bench.states() == ["connected", "lost"] and not sniffer.can_see()
        assert "did not answer within 2 s" in bench.of("device")[-1]["detail"]
        bench.wire.line.silent = False
        await asyncio.sleep(40)
        assert bench.states() == ["connected", "lost", "reconnected"] and sniffer.can_see()


async def test_sniffer_that_restarted_behind_a_serial_server_is_set_up_again(tmp_path: Path) -> None:
    async with connected(tmp_path, channel=CHANNEL) as (bench, sniffer):
        bench.wire._channel, bench.wire._receiving = 11, False
        await asyncio.sleep(40)
        assert bench.states() == ["connected", "lost", "reconnected"]
        assert bench.wire.receiving and sniffer.can_see()
        bench.wire.line.send(b"*** Booting nRF Connect SDK ***\r\n")
        await asyncio.sleep(5)
        assert bench.states()[-2:] == ["lost", "reconnected"]


async def test_one_lost_answer_is_forgiven(tmp_path: Path) -> None:
    async with connected(tmp_path) as (bench, sniffer):
        # Units to the bench: answers to "", "sleep", "channel 20", "channel".
        bench.wire.line.drop_next(4)
        await sniffer.listen(CHANNEL)
        assert sniffer.can_see() and bench.states() == ["connected"]


async def test_cancelled_listen_leaves_the_line_in_step(tmp_path: Path) -> None:
    async with connected(tmp_path) as (bench, sniffer):
        bench.wire.line.delay_s = 0.5
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await sniffer.listen(15)
        bench.wire.line.delay_s = 0.0
        await sniffer.listen(CHANNEL)
        assert sniffer.can_see() and bench.wire.receiving


@pytest.mark.parametrize("path", ["/dev/no-such-port", "socket://127.0.0.1:1"])
async def test_port_that_is_not_there(tmp_path: Path, path: str) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(DeviceLost) as caught:
        await bench.driver(resource=path).connect()
    assert path in str(caught.value) and "Check its cable" in str(caught.value)
    assert bench.events == []


async def test_port_in_use_is_said_so(tmp_path: Path) -> None:
    async with connected(tmp_path) as (bench, _):
        with pytest.raises(DeviceLost, match="already locked"):
            await bench.driver().connect()


async def test_mute_port_is_lost_at_connect(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.wire.plug()
    bench.wire.line.silent = True
    sniffer = bench.driver(channel=CHANNEL)
    with pytest.raises(DeviceLost, match="did not answer within 2 s"):
        await sniffer.connect()
    bench.wire.close()
    assert bench.states() == []


async def test_another_device_on_the_port_is_said_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.wire.plug()
    bench.wire.line._on_line = lambda _text: bench.wire.line.send(b"ERROR 7 unknown verb\r\n")
    with pytest.raises(DeviceError, match="no sniffer: it says 'ERROR 7 unknown verb'"):
        await bench.driver().connect()
    bench.wire.close()


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


async def _night(folder: Path, seed: int) -> list[tuple[int, str, str]]:
    async with connected(folder, {"dialect": Dialect.HEX_WITH_FCS}, channel=CHANNEL) as (bench, _):
        rng = Random(seed)
        for number in range(6):
            fault = rng.randrange(4)
            bench.wire.line.delay_s = rng.random() * 0.2
            if fault == 1:
                bench.wire.line.garble_next(rng.randrange(5))
            if fault == 2:
                bench.wire.line.drop_next(rng.randrange(5))
            if fault == 3:
                bench.wire.unplug()
                await asyncio.sleep(rng.random() * 100)
                bench.wire.plug()
                await asyncio.sleep(60)
            await bench.air(seed=number)
    # The path of the temporary folder is all that may differ.
    return [(event.at.mono_ns, event.kind, str(dict(event.data)).replace(str(folder), "")) for event in bench.events]


def _run(folder: Path, seed: int) -> list[tuple[int, str, str]]:
    from bench.virtual_time import VirtualLoop

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_night(folder, seed))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_same_seed_same_stream(tmp_path: Path, seed: int) -> None:
    first = _run(tmp_path / "a", seed)
    assert first == _run(tmp_path / "b", seed)
    assert sum(kind == "seen.han" for _, kind, _ in first) >= 10


def test_loss_leaves_nothing_unretrieved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _run(tmp_path, 3)
    gc.collect()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("resource", ["ttyACM0", "socket://host", "socket://host:port", ""])
def test_what_is_no_port_is_refused_in_the_rig_file(resource: str) -> None:
    with pytest.raises(ValidationError, match="socket://HOST:PORT"):
        SnifferConfig(resource=resource)


@given(st.binary(min_size=3, max_size=125), st.integers(-120, 20), st.integers(0, 255), st.integers(0, 2**63))
def test_lines_of_every_format_are_read(psdu: bytes, power: int, lqi: int, time_us: int) -> None:
    tail = f"power: {power} lqi: {lqi} time: {time_us}"
    for text, ok in (
        (f"received: {(psdu + fcs(psdu)).hex()} {tail}", True),
        (f"psdu: {psdu.hex().upper()} {tail}", None),
        (f"r {base64.b64encode(psdu).decode()} {power} {lqi} {time_us}", None),
    ):
        found = parse_line(plain(f"uart:~$ \r\x1b[8D\x1b[J{text}\r\n"))
        assert found == SniffedFrame(psdu, power, lqi, time_us, ok)


@given(st.text(max_size=200))
def test_any_text_is_a_frame_or_not(text: str) -> None:
    found = parse_line(plain(text))
    assert found is None or found.psdu


@pytest.mark.parametrize(
    "text",
    [
        "received: 0308ffffffff0 power: -40 lqi: 1 time: 1",
        "received: 03 power: -40 lqi: 1 time: 1",
        "psdu: 020007 power: -40 lqi: 256 time: 1",
        "psdu: 020007 power: -999 lqi: 1 time: 1",
        f"psdu: {'00' * 126} power: -40 lqi: 1 time: 1",
        "psdu: 020007 power: -40 lqi: 1 time: 1 psdu:",
        "r AgAH= -40 1 1",
        "r AgAH -40 1",
    ],
)
def test_damaged_line_is_no_frame(text: str) -> None:
    assert parse_line(text) is None


@given(
    st.integers(0, 2**40),
    st.lists(st.tuples(st.floats(0.001, 20_000), st.floats(0, 0.5)), min_size=1, max_size=30),
    st.floats(-50, 50),
    st.sampled_from(["64", "32", "signed"]),
)
def test_device_time_is_unwrapped_and_related(
    uptime_us: int, steps: list[tuple[float, float]], ppm: float, width: str
) -> None:
    clock, air_s = DeviceClock(), 0.0
    arrivals: list[float] = []
    first: int | None = None
    for delay_s, late_s in [(0.0, 0.0), *steps]:
        air_s += delay_s
        # Lines leave the sniffer in the order of the air.
        arrivals.append(max([air_s + late_s, *arrivals[-1:]]))
        true_us = uptime_us + round(air_s * (1 + ppm * 1e-6) * 1e6)
        printed = true_us if width == "64" else true_us % 2**32
        if width == "signed" and printed >= 2**31:
            printed -= 2**32
        at = clock.relate(printed, round(arrivals[-1] * 1e9))
        assert at.jumped_us == 0
        first = at.device_us if first is None else first
        assert at.device_us - first == true_us - uptime_us
        assert at.mono_ns <= round(arrivals[-1] * 1e9)
        # The first line was not late, so only drift is left.
        assert abs(at.mono_ns - air_s * 1e9) <= 2000 + air_s * 200e-6 * 1e9


def test_signed_32_bits_are_read_as_unsigned() -> None:
    clock = DeviceClock()
    assert clock.relate(-5, 0).device_us == 2**32 - 5
    assert clock.relate(5, 10_000).device_us == 2**32 + 5


def test_clock_that_jumps_is_noticed_and_followed() -> None:
    clock = DeviceClock()
    clock.relate(1_000_000_000_000, 0)
    assert clock.relate(1_000_001_000_000, 1_000_000_000).jumped_us == 0
    jumped = clock.relate(5, 2_000_000_000)
    assert jumped.jumped_us and jumped.mono_ns == 2_000_000_000
    assert clock.relate(1_000_005, 3_000_000_000) == type(jumped)(1_000_005, 3_000_000_000)


async def test_jumping_clock_is_reported(tmp_path: Path) -> None:
    async with connected(tmp_path, channel=CHANNEL) as (bench, _):
        bench.wire.air(join()[0].psdu)
        bench.wire._uptime_us += 3_600_000_000
        bench.wire.air(join()[0].psdu)
        await asyncio.sleep(0.01)
        assert any("its clock jumped by +3600.000 s" in data["detail"] for data in bench.of("device"))
