"""The emulated AC source: its physics, its programs on the loop's timers, and what it says over its wires."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from drivers.emulated.ac_source import AcSourceModel, Mode, Segment
from drivers.emulated.ac_source_commands import chroma_interpreter, plain_interpreter
from drivers.emulated.scpi_grammar import Interpreter, ScpiError
from drivers.emulated.scpi_wire import WireFaults, WireServer, socket_server
from drivers.emulated.supply import SupplyNode

History = list[tuple[float, float, float]]


class Rig:
    """A model with its terminals, and the languages that it may speak."""

    def __init__(self, *, volts: float = 230.0, on: bool = True, noise: random.Random | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.began_s = self.loop.time()
        self.node = SupplyNode(self.loop.time)
        self.model = AcSourceModel(self.loop, self.node, volts=volts, on=on, noise=noise)
        self.plain, self.chroma = plain_interpreter(self.model), chroma_interpreter(self.model)
        self.history: History = []
        self.node.subscribe(self._note)

    def _note(self, node: SupplyNode) -> None:
        course = node.trajectory
        self.history.append((round(course.start_s - self.began_s, 6), course.start_v, course.target_v))

    def tell(self, *messages: str) -> list[str]:
        """Send messages in the dialect with programs; what the error queue then holds."""
        for message in messages:
            assert self.chroma.execute(message) is None, message
        errors = []
        while (error := self.chroma.execute("SYST:ERR?")) != '0,"No error"':
            errors.append(str(error))
        return errors


async def test_output_stage() -> None:
    rig = Rig(on=False)
    assert rig.node.volts == 0.0
    rig.model.switch(True)
    assert rig.node.volts == 230.0
    rig.model.set_volts(207.0)
    assert rig.node.volts == 207.0
    rig.model.switch(False)
    rig.model.set_volts(100.0)
    assert rig.node.volts == 0.0


async def test_slew_rate_bounds_a_setting() -> None:
    rig = Rig()
    assert rig.plain.execute("VOLT:SLEW 10;:VOLT 250") is None
    await asyncio.sleep(1.0)
    assert rig.node.volts == pytest.approx(240.0)
    await asyncio.sleep(2.0)
    assert rig.node.volts == 250.0


async def test_limit_and_range() -> None:
    rig = Rig()
    assert rig.tell("VOLT:LIM:AC 253", "VOLT:AC 254") == ['-222,"Data out of range"']
    assert rig.tell("VOLT:AC 301") == ['-222,"Data out of range"']
    assert rig.tell("VOLT:LIM:AC 200") == ['-221,"Settings conflict"']
    assert rig.node.volts == 230.0


async def test_pulse_is_one_voltage_and_then_the_plain_one_for_each_period() -> None:
    rig = Rig()
    assert not rig.tell("PULS:VOLT:AC 115", "PULS:DCYC 25", "PULS:PER 400", "PULS:COUN 2", "OUTP:MODE PULSE", "TRIG ON")
    assert rig.chroma.execute("TRIG:STATE?") == "RUNNING"
    await asyncio.sleep(1.0)
    assert rig.chroma.execute("TRIG:STATE?") == "OFF"
    steps = [(at, target) for at, _, target in rig.history]
    assert steps == [(0.0, 115.0), (0.1, 230.0), (0.4, 115.0), (0.5, 230.0), (0.8, 230.0)]


async def test_list_runs_from_point_to_point() -> None:
    rig = Rig()
    assert not rig.tell(
        "LIST:BASE TIME",
        "LIST:DWEL 1000,500",
        "LIST:VOLT:AC:STAR 230,200",
        "LIST:VOLT:AC:END 200,200",
        "LIST:FREQ:STAR 50,50",
        "LIST:FREQ:END 50,50",
        "OUTP:MODE LIST",
        "TRIG ON",
    )
    await asyncio.sleep(0.5)
    assert rig.node.volts == pytest.approx(215.0)
    await asyncio.sleep(0.75)
    assert rig.node.volts == 200.0
    await asyncio.sleep(0.5)
    assert (rig.node.volts, rig.model.running) == (230.0, False)


async def test_list_counted_in_cycles() -> None:
    rig = Rig()
    rig.tell("LIST:BASE CYCLE", "LIST:DWEL 25", "LIST:VOLT:AC:STAR 100", "LIST:VOLT:AC:END 100")
    rig.tell("LIST:FREQ:STAR 50", "LIST:FREQ:END 50", "OUTP:MODE LIST", "TRIG ON")
    await asyncio.sleep(1.0)
    assert [(at, target) for at, _, target in rig.history] == [(0.0, 100.0), (0.5, 230.0)]


async def test_step_counts_up() -> None:
    rig = Rig()
    rig.tell("STEP:VOLT:AC 200", "STEP:DVOL:AC -10", "STEP:DWEL 100", "STEP:COUN 2", "OUTP:MODE STEP", "TRIG ON")
    await asyncio.sleep(1.0)
    assert [(at, target) for at, _, target in rig.history] == [(0.0, 200.0), (0.1, 190.0), (0.2, 180.0), (0.3, 230.0)]
    assert rig.tell("OUTP:MODE FIXED", "STEP:VOLT:AC 5", "OUTP:MODE STEP", "TRIG ON") == ['-222,"Data out of range"']


@pytest.mark.parametrize("ender", ["TRIG OFF", "OUTP:MODE FIXED", "OUTP OFF", "*RST"])
async def test_a_program_can_be_ended(ender: str) -> None:
    rig = Rig()
    rig.tell("PULS:VOLT:AC 100", "PULS:COUN 0", "PULS:PER 100", "OUTP:MODE PULSE", "TRIG ON")
    await asyncio.sleep(20.02)
    assert rig.model.running and rig.node.volts == 100.0, "a count of 0 goes on for ever"
    assert not rig.tell(ender)
    rig.history.clear()
    await asyncio.sleep(1.0)
    assert not rig.model.running and rig.history == []
    assert rig.node.volts == (0.0 if ender in ("OUTP OFF", "*RST") else 230.0)


async def test_programs_need_what_they_need() -> None:
    rig = Rig()
    conflict = ['-221,"Settings conflict"']
    assert rig.tell("TRIG ON") == conflict, "nothing to trigger in FIXED mode"
    assert rig.tell("OUTP:MODE LIST", "TRIG ON") == conflict, "an empty list"
    assert rig.tell("LIST:DWEL 100") == conflict, "parameters change in FIXED mode only"
    rig.tell("OUTP:MODE FIXED", "LIST:DWEL 100,100", "LIST:VOLT:AC:STAR 1", "OUTP:MODE LIST")
    assert rig.tell("TRIG ON") == conflict, "lists of different lengths"
    rig.tell("OUTP:MODE FIXED", "PULS:PER 1000", "OUTP:MODE PULSE", "OUTP OFF")
    assert rig.tell("TRIG ON") == conflict, "the output is off"
    rig.tell("OUTP ON", "TRIG ON")
    assert rig.tell("TRIG ON") == conflict, "it runs already"
    assert rig.tell("OUTP:MODE STEP") == conflict, "another program runs"
    rig.model.close()


async def test_a_program_above_the_limit_does_not_start() -> None:
    rig = Rig()
    rig.tell("VOLT:LIM:AC 250", "PULS:VOLT:AC 280", "PULS:PER 1000", "OUTP:MODE PULSE")
    assert rig.tell("TRIG ON") == ['-222,"Data out of range"']
    assert rig.node.volts == 230.0


async def test_a_program_of_no_length_is_refused() -> None:
    rig = Rig()
    rig.model.set_mode(Mode.LIST)
    with pytest.raises(ScpiError):
        rig.model.run([Segment(1.0, 1.0, 0.0)], 0)


async def test_many_periods_do_not_drift() -> None:
    rig = Rig()
    rig.tell("PULS:VOLT:AC 100", "PULS:COUN 20000", "PULS:PER 30", "OUTP:MODE PULSE", "TRIG ON")
    await asyncio.sleep(601.0)
    assert rig.history[-1][0] == pytest.approx(600.0, abs=1e-6)


async def test_reset() -> None:
    rig = Rig()
    rig.tell("VOLT:AC 100", "FREQ 60", "PULS:COUN 7", "VOLT:LIM:AC 120", "*RST")
    answers = [rig.chroma.execute(query) for query in ("OUTP?", "VOLT:AC?", "FREQ?", "PULS:COUN?", "OUTP:MODE?")]
    assert answers == ["OFF", "230.00", "50.00", "1", "FIXED"]


async def test_measures_exactly_or_with_a_seeded_error() -> None:
    exact = Rig()
    assert exact.plain.execute("MEAS:VOLT?;CURR?;FREQ?;POW?") == "230.00;0.4348;50.000;100.00"
    query = ";".join([":MEAS:VOLT?"] * 9)
    first, same, other = (Rig(noise=random.Random(seed)).plain.execute(query) for seed in (3, 3, 4))
    assert first == same != other
    off = Rig(on=False)
    assert off.plain.execute("MEAS:VOLT?;FREQ?") == "0.00;0.000"


async def test_disobedience() -> None:
    rig = Rig()
    rig.model.disobedience.ignores = True
    assert rig.plain.execute("VOLT 100;VOLT?;:OUTP OFF;OUTP?;:SYST:ERR?") == '230.00;1;0,"No error"'
    rig.model.disobedience.ignores, rig.model.disobedience.stuck = False, True
    assert rig.plain.execute("VOLT 100;VOLT?;:MEAS:VOLT?") == "100.00;230.00"


async def test_each_dialect_knows_its_own_words_only() -> None:
    rig = Rig()
    assert rig.plain.execute("OUTP:MODE PULSE;:SYST:ERR?") is None
    assert rig.plain.execute("SYST:ERR?") == '-113,"Undefined header"'
    assert rig.plain.execute("*IDN?;OUTP?") == "Bench,Emulated AC source,0,1;1"
    assert rig.chroma.execute("*IDN?;OUTP?") == "Chroma ATE 61500,emulated,1.00,1.00,1.00;ON"


@asynccontextmanager
async def served(interpreter: Interpreter, faults: WireFaults) -> AsyncIterator[WireServer]:
    server = socket_server(interpreter, faults)
    await server.start()
    try:
        yield server
    finally:
        await server.close()
        await server.close()


class Client:
    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.reader, self.writer = streams

    async def ask(self, message: str) -> str:
        self.writer.write(message.encode() + b"\r\n")
        return (await self.reader.readline()).decode("latin-1").rstrip("\n")

    async def close(self) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0.01)


async def connect(server: WireServer) -> Client:
    return Client(await asyncio.open_connection("127.0.0.1", server.port))


async def test_many_clients_one_instrument() -> None:
    rig = Rig()
    async with served(rig.plain, WireFaults()) as server:
        clients = [await connect(server) for _ in range(5)]
        for index, client in enumerate(clients):
            assert await client.ask(f"VOLT {200 + index};VOLT?") == f"{200 + index}.00"
        assert rig.node.volts == 204.0
        clients[0].writer.write(b"NONSENSE\n")
        assert await clients[0].ask("OUTP?") == "1"
        assert await clients[1].ask("SYST:ERR?") == '-113,"Undefined header"', "they share one error queue"
        for client in clients:
            await client.close()


async def test_wire_faults() -> None:
    rig, faults = Rig(), WireFaults()
    async with served(rig.plain, faults) as server:
        client = await connect(server)
        faults.delay_s = 1.0
        began_s = rig.loop.time()
        client.writer.write(b"VOLT 210;VOLT?\n")
        await asyncio.sleep(0.01)
        assert rig.node.volts == 210.0, "slow in answering, not in acting"
        faults.delay_s = 0.0
        assert await client.ask("FREQ?") == "210.00", "what was asked first is answered first"
        assert (await client.reader.readline(), rig.loop.time() - began_s) == (b"50.00\n", 1.0)
        faults.garbled = True
        assert await client.ask("OUTP?") == "\xb1"
        faults.garbled, faults.silent = False, True
        client.writer.write(b"VOLT 220;VOLT?\n")
        await asyncio.sleep(10.0)
        assert rig.node.volts == 220.0
        faults.silent = False
        assert await client.ask("FREQ?") == "50.00"
        server.drop()
        assert await client.reader.read() == b""
        await client.close()
        await server.vanish()
        with pytest.raises(ConnectionRefusedError):
            await connect(server)
        port = server.port
        await server.resume()
        client = await connect(server)
        assert (server.port, await client.ask("OUTP?")) == (port, "1")
        await client.close()


async def test_an_endless_message_is_thrown_away() -> None:
    rig = Rig()
    async with served(rig.plain, WireFaults()) as server:
        client = await connect(server)
        client.writer.write(b"x" * 200_000)
        await asyncio.sleep(0.1)
        client.writer.write(b"\n")
        assert await client.ask("*CLS;*OPC?") == "1"
        await client.close()
