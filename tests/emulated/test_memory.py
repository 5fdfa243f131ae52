"""What an emulated world remembers: values as text, and a world that goes on where an earlier life stopped."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.clock import VirtualClock
from bench.duis import responses as duis
from bench.duis.default_params import default_params
from bench.duis.request_id import RequestId
from bench.errors import UsageError
from bench.eui import Eui64
from bench.gbcs import dlms
from bench.parties import DeviceType
from drivers.emulated.dcc_inventory import Entry
from drivers.emulated.faults import Faults
from drivers.emulated.memory import NotMemorable, dumps, loads
from drivers.emulated.meter import SupplyState
from drivers.emulated.spec import EmulationSpec
from drivers.emulated.world import Wiring, World
from tests.emulated.benches import make, running
from tests.emulated.worlds import ALL_USERS, CHF, CODES, DUTS, ESME, GSME, USERS, Small, small_world

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.just(UTC))
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.builds(Eui64, st.binary(min_size=8, max_size=8))
    | st.sampled_from([*DeviceType, *SupplyState])
)
_KEYS = st.text() | st.integers() | st.binary() | st.tuples(st.integers(), st.text())
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(_KEYS, inner)
        | st.lists(inner).map(lambda some: deque(some, maxlen=7))
        | st.builds(dlms.Data, st.just(dlms.Tag.OCTET_STRING), st.binary())
        | st.builds(Entry, st.just(ESME), st.text(), st.text())
    ),
    max_leaves=12,
)


@given(_VALUES)
def test_a_value_comes_back_with_its_type(value: Any) -> None:
    back = loads(dumps(value))
    assert back == value
    assert repr(back).replace(", fold=1", "") == repr(value).replace(", fold=1", "")


@given(st.frozensets(st.binary() | st.integers()))
def test_a_set_is_written_in_one_order(members: frozenset[Any]) -> None:
    assert loads(dumps(members)) == members
    assert dumps(frozenset(reversed(list(members)))) == dumps(members)


def test_what_stands_in_a_rig_comes_back() -> None:
    value = {
        "moment": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        "day": date(2026, 1, 2),
        "at": time(1, 2),
        "long": timedelta(days=1, microseconds=3),
        "request": RequestId(ESME, CHF, 12),
        "~": "an ordinary key",
        GSME: (dlms.Data(dlms.Tag.STRUCTURE, (dlms.uint32(7), dlms.NULL)), {"a", "b"}),
    }
    assert loads(dumps(value)) == value


class _Stranger:
    pass


def test_what_cannot_be_remembered_is_named_with_its_place() -> None:
    with pytest.raises(NotMemorable, match=r"^devices\.esme\[0\]: a _Stranger cannot be remembered"):
        dumps({"devices": {"esme": [_Stranger()]}})


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"{",
        b'{"~": "os:system", "is": {}}',
        b'{"~": "subprocess:Popen", "is": {"args": "true"}}',
        b'{"~": "bench.eui:Eui64.parse", "is": {"text": "x"}}',
        b'{"~": "bench.nowhere:Thing", "is": {}}',
        b'{"~": "bytes", "is": "xy"}',
        b'{"~": "bytes"}',
        b'{"~": "decimal", "is": "x"}',
        b'{"~": "deque", "is": []}',
        b'{"~": "use case", "is": "XX"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_memory_is_refused(text: bytes) -> None:
    with pytest.raises(NotMemorable, match="no state of an emulated world"):
        loads(text)


def again(small: Small, *, seed: int = 1, **spec: Any) -> Small:
    """Stop a world as a kill does, and start another from what it had saved."""
    saved = loads(dumps(small.world.save()))
    small.world.outbox = lambda document: None
    small.world.schedule.close()
    users = {name: ALL_USERS[name] for name in small.world.users}
    world = World(
        EmulationSpec.model_validate(spec),
        seed,
        Faults(()),
        Wiring("esme", relay=True),
        users,
        DUTS,
        VirtualClock(small.loop),
        small.loop,
        saved=saved,
    )
    other = Small(world, small.loop, counter=small.counter)
    world.outbox = other.receive
    return other


async def test_settings_supply_and_anchors_survive() -> None:
    with small_world() as small:
        assert (await small.ask("IS", "7.2", ESME)).ok
        moment = small.world.mail.now
        other = again(small)
        with_counter = other.world.esme.next_counter() > small.world.esme.save()["counter"]
        assert with_counter
        assert (await other.ask("IS", "7.4", ESME)).values["supply_state"] == "disabled"
        assert other.world.esme.load.volts == 0.0
        assert (await other.ask("IS", "7.3", ESME)).ok
        await asyncio.sleep(5)
        assert ("0x8F32", "IS") in other.alerts()
        assert other.world.mail.now > moment
        other.world.close()


async def test_an_inventory_a_device_log_and_members_survive() -> None:
    with small_world(inventory={"esme": "unknown"}) as small:
        await small.install("IS", "esme")
        other = again(small, inventory={"esme": "unknown"})
        assert other.status(ESME) == "Commissioned"
        assert other.world.hub.han.log == small.world.hub.han.log
        assert other.world.hub.han.is_member(ESME)
        assert (await other.ask("IS", "7.4", ESME)).ok
        other.world.close()


async def test_an_open_join_window_is_still_open() -> None:
    with small_world(inventory={"esme": "unknown"}) as small:
        details = {"device_id": ESME, "device_type": "ESME", "device_manufacturer": "1234", "device_model": "00010001"}
        assert small.send("IS", "12.2", params=details).response_code == "I99"
        added = {"device_id": ESME, "install_code": CODES["esme"], "join_time_period": 600}
        assert (await small.ask("IS", "8.11", CHF, added)).ok
        other = again(small, inventory={"esme": "unknown"})
        await asyncio.sleep(60)
        assert other.status(ESME) == "InstalledNotCommissioned"
        other.world.close()


@pytest.mark.parametrize("after_s", [0.0, 0.3, 0.7, 1.05, 1.2, 1.8])
async def test_a_command_on_its_way_is_answered_once_in_the_next_life(after_s: float) -> None:
    with small_world() as small:
        answer = small.send("IS", "7.2", ESME)
        from bench.gbcs.crypto import sign_pre_command

        signed = sign_pre_command(answer.payload, small.world.users["IS"].signing.private_key)  # type: ignore[attr-defined]
        counter = answer.request_id.counter  # type: ignore[union-attr]
        small.send("IS", "7.2", ESME, {"gbcs_payload": signed}, command_variant=5, counter=counter)
        await asyncio.sleep(after_s)
        before = len(small.posts)
        other = again(small)
        await asyncio.sleep(10)
        assert [post.code for post in small.posts[:before] + other.posts] == ["7.2"]
        assert other.world.esme.supply is SupplyState.DISABLED
        other.world.close()


async def test_a_sleeping_gas_meter_still_gets_its_command() -> None:
    with small_world() as small:
        small.send("GS", "7.4", GSME)
        await asyncio.sleep(5)
        other = again(small)
        await asyncio.sleep(2000)
        assert [post.code for post in other.posts] == ["7.4"]
        other.world.close()


async def test_a_future_dated_command_is_carried_out_in_the_next_life_and_told_of() -> None:
    with small_world() as small:
        date = small.world.mail.now.replace(microsecond=0) + timedelta(hours=2)
        params = dict(default_params("6.4.1", 4)) | {"execution_date_time": date}
        assert (await small.ask("IS", "6.4.1", ESME, params)).ok
        other = again(small)
        third = again(other)
        assert third.alerts() == []
        await asyncio.sleep(2.1 * 3600)
        told = [post.message for post in third.posts if isinstance(post.message, duis.FutureDatedDeviceAlert)]
        total = told[0].total_instructions
        assert [each.instruction_number for each in told] == list(range(1, total + 1))
        assert {each.alert_code for each in told} == {0x8F66}
        third.world.close()


async def test_a_request_that_the_dcc_keeps_is_sent_in_the_next_life() -> None:
    with small_world() as small:
        date = small.world.mail.now.replace(microsecond=0) + timedelta(hours=2)
        answer = small.send("ED", "4.10", ESME, {"execution_date_time": date})
        assert answer.response_code == "I99", answer
        other = again(small)
        await asyncio.sleep(3600)
        assert other.posts == []
        await asyncio.sleep(3700)
        assert [post.code for post in other.posts] == ["4.10"]
        other.world.close()


async def test_an_outage_goes_on_and_is_told_with_both_its_times() -> None:
    with small_world() as small:
        began = small.world.mail.now
        assert small.world.relay is not None
        small.world.relay.set(False)
        await asyncio.sleep(60)
        other = again(small)
        assert not other.world.esme.powered
        assert not other.world.hub.on
        await asyncio.sleep(140)
        assert [alert for alert in other.codes() if alert == "AD1"] == ["AD1"] * 2
        assert other.world.relay is not None
        other.world.relay.set(True)
        await asyncio.sleep(120)
        outage = other.post("0x8F36").alert.specific
        assert abs((outage.interrupted - began).total_seconds()) < 1  # type: ignore[union-attr]
        other.world.close()


async def test_means_and_their_grid_go_on() -> None:
    voltage: dict[str, Any] = {"world": {"voltage": {"period": "60 s"}}}
    with small_world(**voltage) as small:
        await asyncio.sleep(400)
        end_s, means = small.world.esme.average.period_end_s, list(small.world.esme.average.means)
        other = again(small, **voltage)
        assert other.world.esme.average.period_end_s == pytest.approx(end_s, abs=0.01)
        assert [volts for _, volts in other.world.esme.average.means] == [volts for _, volts in means]
        await asyncio.sleep(130)
        assert len(other.world.esme.average.means) > len(means)
        other.world.close()


async def test_everything_that_functions_and_parts_remember_can_be_written() -> None:
    with small_world(users=tuple(ALL_USERS)) as small:
        saved = small.world.save()
        assert repr(loads(dumps(saved))["functions"]) == repr(saved["functions"])
        for device in small.world.devices:
            for function in device.functions:
                assert set(function.save()) == set(function.remembers)


async def test_deliveries_and_tls_survive_a_bench() -> None:
    async with running(wires={"dcc": {"kind": "duis-http", "options": {"tls": "made"}}}, devices={"dcc": {}}) as bench:
        url = bench.settings["dcc"]["url"]
        bench.world.outbox(b"<undelivered/>")
        memory = bench.memory()
    wire = json.loads(memory)["wires"]["dcc"]
    assert b"<undelivered/>".hex() in json.dumps(wire)
    other = make(wires={"dcc": {"kind": "duis-http", "options": {"tls": "made"}}}, devices={"dcc": {}}, saved=memory)
    await other.start()
    try:
        assert other.settings["dcc"]["url"] == url
        assert json.loads(other.memory())["wires"]["dcc"]["tls"] == wire["tls"]
        assert b"<undelivered/>".hex() in other.memory().decode()
    finally:
        await other.close()


async def test_another_world_is_refused() -> None:
    async with running(wires={}) as bench:
        memory = bench.memory()
    with pytest.raises(UsageError, match="the saved world is another one: it has seed 1, not 2"):
        make(wires={}, seed=2, saved=memory)
    with pytest.raises(UsageError, match="it has rig , not there"):
        make(wires={}, saved=memory, rig="there")
    with pytest.raises(UsageError, match="cannot be read"):
        make(wires={}, saved=memory[: len(memory) // 2])
    with pytest.raises(UsageError, match="cannot be read"):
        make(wires={}, saved=b'{"format": "hilbench emulated world 9"}')
    assert USERS
