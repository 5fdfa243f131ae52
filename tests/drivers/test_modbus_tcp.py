"""Modbus over TCP: a line that is refused, silent, late, garbled or gone."""

from __future__ import annotations

import asyncio

import pytest

from bench.errors import DeviceError, DeviceLost
from drivers.reference_meter import MeterConfig, ModbusMeter
from tests.drivers.modbus_bench import REGISTERS, running
from tests.drivers.surroundings import Surroundings, connected


async def test_absent_device_behind_a_gateway_is_lost() -> None:
    async with running() as bench:
        with pytest.raises(DeviceLost, match="gateway target device failed to respond"):
            await bench.meter(resource=f"tcp://127.0.0.1:{bench.wire.port}?device=9").connect()


async def test_refused_connection_says_where_and_why() -> None:
    async with running() as bench:
        meter = bench.meter()
        await bench.wire.stop()
        with pytest.raises(
            DeviceLost, match=r"meter \(tcp://127.0.0.1:\d+ device 2\): cannot open .*Connect call fail"
        ):
            await meter.connect()
        await meter.close()


async def test_silence_is_a_loss_once_and_the_next_verb_recovers() -> None:
    async with running() as bench, connected(bench.meter(timeout="2 s")) as meter:
        bench.meter_slave.faults.silent = True
        for _ in range(2):
            began = bench.loop.time()
            with pytest.raises(DeviceLost, match="does not answer within 2 s"):
                await meter.measure("voltage")
            assert bench.loop.time() - began == pytest.approx(2.0)
        bench.meter_slave.faults.silent = False
        assert (await meter.measure("voltage")).value == 230.0
    assert bench.states() == ["connected", "lost", "reconnected", "closed"]


async def test_late_answer_is_never_taken_for_the_next() -> None:
    async with running() as bench, connected(bench.meter()) as meter:
        bench.meter_slave.faults.delay_s = 1.5
        with pytest.raises(DeviceLost):
            await meter.measure("voltage")
        bench.meter_slave.faults.delay_s = 0.9
        assert (await meter.measure("frequency")).value == 50.0


async def test_garbled_answers_are_an_error_and_not_a_loss() -> None:
    async with running() as bench, connected(bench.meter()) as meter:
        bench.meter_slave.faults.garbled = True
        with pytest.raises(DeviceError, match="garbled") as raised:
            await meter.measure("voltage")
        assert not isinstance(raised.value, DeviceLost)
        bench.meter_slave.faults.garbled = False
        assert (await meter.measure("voltage")).value == 230.0
    assert bench.states() == ["connected", "garbled", "closed"]


async def test_dropped_connection_fails_at_once_and_the_next_verb_reconnects() -> None:
    async with running() as bench, connected(bench.meter()) as meter:
        bench.meter_slave.faults.delay_s = 0.5
        bench.schedule.after(0.1, bench.wire.drop)
        began = bench.loop.time()
        with pytest.raises(DeviceLost, match="line broke: the connection was closed by the other end"):
            await meter.measure("voltage")
        assert bench.loop.time() - began == pytest.approx(0.1)
        assert (await meter.measure("voltage")).value == 230.0
        bench.wire.drop()
        await asyncio.sleep(0.1)
        # Dropped while idle: nobody was hurt, and the next verb does not notice.
        assert (await meter.measure("voltage")).value == 230.0
    assert bench.states() == ["connected", "lost", "reconnected", "closed"]


async def test_vanished_listener_that_comes_back() -> None:
    async with running() as bench, connected(bench.meter()) as meter, connected(bench.relay()) as relay:
        await bench.wire.stop()
        for _ in range(2):
            with pytest.raises(DeviceLost):
                await meter.measure("voltage")
        await bench.wire.start()
        assert (await meter.measure("voltage")).value == 230.0
        assert await relay.is_closed()
    assert bench.states("meter") == ["connected", "lost", "reconnected", "closed"]


@pytest.mark.parametrize("code", [1, 2, 3, 4])
async def test_exceptions_are_named(code: int) -> None:
    async with running() as bench, connected(bench.relay()) as relay:
        bench.relay_slave.faults.exception = code
        with pytest.raises(DeviceError, match=rf"Modbus exception {code}\)"):
            await relay.switch(False)
    assert bench.states() == ["connected", "closed"]


async def test_devices_of_one_line_share_a_connection_and_take_turns() -> None:
    async with running() as bench, connected(bench.meter()) as meter, connected(bench.relay()) as relay:
        bench.meter_slave.faults.delay_s = bench.relay_slave.faults.delay_s = 0.2
        began = bench.loop.time()
        reading, edge = await asyncio.gather(meter.measure("voltage"), relay.switch(False))
        assert reading.value == 230.0
        # 0.2 s for the meter, then 0.2 s for the write, 0.02 s for the contact and 0.2 s for the read-back.
        assert bench.loop.time() - began == pytest.approx(0.62, abs=0.01)
        # The wait for the line is no part of the edge's uncertainty.
        assert edge.uncertainty_ns == pytest.approx(0.11e9, abs=1e6)
        await meter.close()
        assert not await relay.is_closed()


async def test_cancelled_verb_leaves_the_line_usable() -> None:
    async with running() as bench, connected(bench.meter()) as meter:
        bench.meter_slave.faults.delay_s = 0.5
        task = asyncio.create_task(meter.measure("voltage"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await meter.measure("frequency")).value == 50.0


async def test_close_while_a_verb_is_under_way_ends_it() -> None:
    async with running() as bench:
        meter = bench.meter()
        await meter.connect()
        bench.meter_slave.faults.silent = True
        task = asyncio.create_task(meter.measure("voltage"))
        await asyncio.sleep(0.1)
        await meter.close()
        await meter.close()
        with pytest.raises(DeviceLost):
            await task
        assert bench.loop.time() < 1.0


async def test_every_exchange_is_on_record() -> None:
    async with running() as bench, connected(bench.relay()) as relay:
        bench.events.clear()
        await relay.switch(False)
        wires = bench.of("wire", "relay")
    assert [data["direction"] for data in wires] == ["tx", "rx", "tx", "rx"]
    assert wires[0]["hex"][4:] == "000000060105" + "00000000"
    assert wires[0]["hex"] == wires[1]["hex"]


@pytest.mark.parametrize("garbage", [b"\x00", b"\xff" * 9, b"HTTP/1.1 400 Bad Request\r\n\r\n", None])
async def test_something_else_on_the_port_is_an_error(garbage: bytes | None) -> None:
    surroundings = Surroundings()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.read(100)
        # An answer in a valid envelope with a function that nobody knows.
        writer.write(garbage if garbage is not None else request[:4] + bytes([0, 3, request[6], 0x63, 0]))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    meter = ModbusMeter(
        surroundings.context(),
        MeterConfig.model_validate({"resource": f"tcp://127.0.0.1:{port}?device=2", "registers": REGISTERS}),
    )
    with pytest.raises(DeviceError, match="garbled"):
        await meter.connect()
    assert surroundings.states() == ["garbled"]
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.1)
