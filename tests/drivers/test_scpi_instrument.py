"""The exchange with a SCPI instrument, and every way in which it can go wrong."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import DeviceError, DeviceLost
from drivers.scpi import ScpiInstrument
from drivers.scpi_transport import LONGEST_REPLY, ScpiAddress, SerialTransport, TcpTransport, VisaTransport
from tests.drivers.ac_bench import AcBench, ac_bench
from tests.drivers.surroundings import Surroundings


def line(bench: AcBench) -> ScpiInstrument:
    return bench.source._line


@pytest.mark.parametrize(
    ("text", "kind", "exclusive"),
    [
        ("TCPIP0::192.0.2.7::5025::SOCKET", TcpTransport, "192.0.2.7:5025"),
        ("tcpip::source.example::5025::socket", TcpTransport, "source.example:5025"),
        ("TCPIP::[2001:db8::7]::5025::SOCKET", TcpTransport, "2001:db8::7:5025"),
        ("ASRL/dev/ttyUSB0::INSTR", SerialTransport, "/dev/ttyUSB0"),
        ("/dev/serial/by-id/usb-source", SerialTransport, "/dev/serial/by-id/usb-source"),
        ("TCPIP0::192.0.2.7::hislip0::INSTR", VisaTransport, "TCPIP0::192.0.2.7::HISLIP0::INSTR"),
        ("gpib0::7::instr", VisaTransport, "GPIB0::7::INSTR"),
        ("USB0::0x0699::0x0363::C102912::INSTR", VisaTransport, "USB0::0X0699::0X0363::C102912::INSTR"),
        ("ASRL3::INSTR", VisaTransport, "ASRL3::INSTR"),
    ],
)
def test_the_address_chooses_the_transport(text: str, kind: type, exclusive: str) -> None:
    address = ScpiAddress.parse(text)
    assert address.exclusive == exclusive
    assert isinstance(address.transport(timeout_s=1.0, baud_rate=9600, visa_library="@py"), kind)


@given(st.text(max_size=40))
def test_any_other_text_is_refused_in_one_way(text: str) -> None:
    try:
        ScpiAddress.parse(text)
    except ValueError as error:
        assert "address" in str(error) or "port" in str(error)


async def test_every_line_is_on_record() -> None:
    async with ac_bench() as bench:
        bench.events.clear()
        await line(bench).command("SOUR:VOLT 231")
        assert [dict(event.data) for event in bench.events] == [
            {"direction": "tx", "text": "SOUR:VOLT 231;:SYST:ERR?"},
            {"direction": "rx", "text": '0,"No error"'},
        ]


async def test_tcp_does_not_wait_for_acknowledgements() -> None:
    async with ac_bench() as bench:
        transport = line(bench)._transport
        assert isinstance(transport, TcpTransport)
        handle = transport._stream.get_extra_info("socket")
        assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_tasks_share_a_line_and_their_exchanges_never_mix() -> None:
    async with ac_bench() as bench:
        bench.faults.delay_s = 0.01
        queries = {"SOUR:VOLT?": "230.00", "SOUR:FREQ?": "50.00", "OUTP?": "1", "*OPC?": "1"}
        answers = await asyncio.gather(*(line(bench).ask(query) for query in queries for _ in range(5)))
        assert [answer.text for answer in answers] == [text for text in queries.values() for _ in range(5)]


async def test_round_trip_bounds_the_moment() -> None:
    async with ac_bench() as bench:
        bench.faults.delay_s = 0.5
        answer = await line(bench).ask("OUTP?")
        assert answer.half_width_ns == 250_000_000
        assert answer.middle.mono_ns - answer.asked.mono_ns == 250_000_000
        assert answer.middle.utc_ns - answer.asked.utc_ns == 250_000_000


async def test_a_late_reply_is_never_the_reply_to_the_next_query() -> None:
    async with ac_bench() as bench:
        bench.faults.delay_s = 2.5
        with pytest.raises(DeviceLost, match=r"does not answer: 2 s went by after SOUR:VOLT\? was sent"):
            await line(bench).ask("SOUR:VOLT?")
        bench.faults.delay_s = 0.0
        await asyncio.sleep(1.0)
        assert (await line(bench).ask("SOUR:FREQ?")).text == "50.00"
        assert bench.states() == ["connected", "lost", "reconnected"]


async def test_nor_is_the_reply_of_a_cancelled_query() -> None:
    async with ac_bench() as bench:
        bench.faults.delay_s = 0.5
        task = asyncio.create_task(line(bench).ask("SOUR:VOLT?"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await line(bench).ask("SOUR:FREQ?")).text == "50.00"


@pytest.mark.parametrize("delay_s", [0.0, 0.4])
async def test_nor_is_a_line_that_nobody_asked_for(delay_s: float) -> None:
    async with ac_bench() as bench:
        server_side = bench.server._connections[0]
        asyncio.get_running_loop().call_later(delay_s, server_side.write, b"-999\n")
        await asyncio.sleep(1.0)
        assert (await line(bench).ask("SOUR:FREQ?")).text == "50.00"
        assert bench.received(discarded=True) == ["-999"]


@asynccontextmanager
async def scripted(
    answer: Callable[[str, asyncio.StreamWriter], Any],
) -> AsyncIterator[tuple[ScpiInstrument, Surroundings]]:
    """An instrument whose server says what a function does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while message := await reader.readline():
                answer(message.decode().strip(), writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    around = Surroundings()
    instrument = ScpiInstrument(around.context("source"), TcpTransport("127.0.0.1", port), "there", 2.0)
    try:
        yield instrument, around
    finally:
        await instrument.close()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)


async def test_a_terminal_server_that_keeps_late_replies_over_a_reconnection() -> None:
    late: list[str] = []
    slow = False

    def answer(message: str, writer: asyncio.StreamWriter) -> None:
        replies = {"*IDN?": "A,B,C,D", "V?": "230", "F?": "50"}
        reply = message.removeprefix("*ESE ").split(";")[0] if message.startswith("*ESE") else replies[message]
        if slow:
            late.append(reply)
        else:
            writer.write("".join(f"{text}\n" for text in [*late, reply]).encode())
            late.clear()

    async with scripted(answer) as (instrument, around):
        await instrument.connect()
        slow = True
        with pytest.raises(DeviceLost):
            await instrument.ask("V?")
        slow = False
        assert (await instrument.ask("F?")).text == "50"
        assert {"direction": "rx", "text": "230", "discarded": True} in around.of("wire")


async def test_refused() -> None:
    async with ac_bench(connect=False) as bench:
        await bench.server.vanish()
        with pytest.raises(
            DeviceLost, match=r"^source \(TCPIP::127\.0\.0\.1::\d+::SOCKET\): opening it failed: .*refused"
        ) as info:
            await bench.source.connect()
        assert "resource" in info.value.next_step


async def test_silent_from_the_start() -> None:
    async with ac_bench(connect=False) as bench:
        bench.faults.silent = True
        with pytest.raises(DeviceLost, match=r"does not answer: 2 s went by after \*IDN\? was sent"):
            await bench.source.connect()
        await asyncio.sleep(0.01)
        assert not bench.server._connections


async def test_silent_later() -> None:
    async with ac_bench() as bench:
        bench.faults.silent = True
        for _ in range(2):
            with pytest.raises(DeviceLost, match="does not answer"):
                await bench.source.set_voltage(240.0)
        assert bench.states() == ["connected", "lost"], "a loss is news once"
        bench.faults.silent = False
        await bench.source.set_voltage(240.0)
        assert bench.states()[-1] == "reconnected"


async def test_slow_but_within_the_time_out() -> None:
    async with ac_bench() as bench:
        bench.faults.delay_s = 0.25
        edge = await bench.source.set_voltage(240.0)
        assert edge.uncertainty_ns == 125_000_000 + 20_000_000


async def test_garbled() -> None:
    async with ac_bench() as bench:
        bench.faults.garbled = True
        with pytest.raises(DeviceError, match=r"source \(.*\): it answers .* which is neither on nor off"):
            await bench.source.set_voltage(240.0)
        assert "garbled" in bench.states()
        with pytest.raises(DeviceError):
            await bench.source.measure("voltage")
        bench.faults.garbled = False
        assert (await bench.source.measure("voltage")).value == 230.0


async def test_garbled_identity() -> None:
    async with ac_bench(connect=False) as bench:
        bench.faults.garbled = True
        with pytest.raises(DeviceError, match=r"\*IDN\?, which is no identification"):
            await bench.source.connect()


@pytest.mark.parametrize("reply", ["", "ON", "nan", "9.91E37", "-9.9E37", "inf", "230 V", "230,231"])
async def test_what_is_no_number_is_not_taken_for_one(reply: str) -> None:
    def answer(message: str, writer: asyncio.StreamWriter) -> None:
        if message == "*IDN?":
            writer.write(b"A,B,C,D\n")
        elif message.startswith("*ESE"):
            writer.write(f"{message.split()[1].split(';')[0]}\n".encode())
        else:
            writer.write(f"{reply}\r\n".encode())

    async with scripted(answer) as (instrument, around):
        await instrument.connect()
        with pytest.raises(DeviceError, match="which is no"):
            await instrument.ask_number("V?")
        assert "garbled" in around.states()


async def test_an_endless_line_is_garbage() -> None:
    def answer(message: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"A,B,C,D\n" if message == "*IDN?" else b"x" * (2 * LONGEST_REPLY))

    async with scripted(answer) as (instrument, _):
        await instrument.connect()
        with pytest.raises(DeviceLost, match="without an end of line"):
            await instrument.ask("V?")


async def test_vanishing_during_an_exchange_is_known_at_once() -> None:
    async with ac_bench() as bench:
        bench.faults.delay_s = 1.0
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, bench.server.drop)
        began_s = loop.time()
        with pytest.raises(DeviceLost, match=r"connection .* as MEAS:VOLT\? was sent"):
            await bench.source.measure("voltage")
        assert loop.time() - began_s == pytest.approx(0.3)


async def test_vanishing_between_exchanges_is_repaired_if_it_can_be() -> None:
    async with ac_bench() as bench:
        bench.server.drop()
        await asyncio.sleep(1.0)
        assert (await bench.source.measure("voltage")).value == 230.0
        await bench.server.vanish()
        await asyncio.sleep(1.0)
        with pytest.raises(DeviceLost, match="opening it failed"):
            await bench.source.measure("voltage")
        await bench.server.resume()
        assert (await bench.source.measure("voltage")).value == 230.0
        assert bench.states() == ["connected", "lost", "reconnected", "lost", "reconnected"]


async def test_closing_ends_an_exchange_and_may_be_done_twice() -> None:
    async with ac_bench() as bench:
        bench.faults.delay_s = 1.0
        task = asyncio.create_task(bench.source.measure("voltage"))
        await asyncio.sleep(0.1)
        await bench.source.close()
        await bench.source.close()
        with pytest.raises(DeviceLost, match="closed the line"):
            await task
        with pytest.raises(DeviceError, match="not connected"):
            await bench.source.measure("voltage")
        assert bench.states() == ["connected", "closed"]


async def test_the_same_run_twice_gives_the_same_events() -> None:
    async def one() -> list[tuple[int, str, str]]:
        async with ac_bench("chroma-61500") as bench:
            began_ns = bench.events[0].at.mono_ns
            await bench.source.excursion(200.0, 0.5)
            bench.faults.delay_s = 3.0
            with pytest.raises(DeviceLost):
                await bench.source.measure("voltage")
            bench.faults.delay_s = 0.1
            await bench.source.make_safe()
            return [(e.at.mono_ns - began_ns, e.kind, str(dict(e.data))) for e in bench.events]

    assert await one() == await one()
