"""The emulated Smart Metering Inventory: who is found by what, however it came to be so."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.eui import Eui64
from bench.parties import DeviceType
from drivers.emulated.dcc_inventory import COMMISSIONED, PENDING, Entry, Inventory
from drivers.emulated.memory import dumps, loads
from tests.emulated.worlds import CHF, CODES, DUTS, ESME, GPF, GSME, MPAN, small_world


def eui(number: int) -> Eui64:
    return Eui64(number.to_bytes(8, "big"))


def test_a_comms_hub_comes_with_the_devices_of_its_own_han_only() -> None:
    inventory = Inventory.of((dut, COMMISSIONED) for dut in DUTS.values())
    inventory.add(Entry(eui(1), DeviceType.CHF, COMMISSIONED))
    inventory.add(Entry(eui(2), DeviceType.ESME, COMMISSIONED, hub=eui(1)))
    inventory.add(Entry(eui(3), DeviceType.ESME, PENDING))
    assert [each.device_id for each in inventory.read({"device_id": CHF})] == [ESME, GSME, CHF, GPF]
    assert [each.device_id for each in inventory.read({"device_id": eui(1)})] == [eui(1), eui(2)]
    assert [each.device_id for each in inventory.read({"device_id": eui(3)})] == [eui(3)]
    assert inventory.read({"device_id": eui(9)}) == ()
    assert [each.device_id for each in inventory.read({"mpxn": MPAN})] == [ESME]
    assert inventory.read({"mpxn": "1"}) == ()


_CHANGES = st.lists(
    st.tuples(
        st.integers(1, 5),
        st.sampled_from(["add", "delete", "mpxn", "hub", "type"]),
        st.sampled_from([None, "7", "8"]),
        st.sampled_from([DeviceType.ESME, DeviceType.GSME, DeviceType.CHF]),
    ),
    max_size=40,
)


@given(_CHANGES)
def test_it_finds_what_a_search_of_everything_would_find(
    changes: list[tuple[int, str, str | None, DeviceType]],
) -> None:
    inventory, order = Inventory(), dict[Eui64, Entry]()
    for number, what, mpxn, kind in changes:
        known = inventory.find(eui(number))
        if what == "add":
            order[eui(number)] = Entry(eui(number), kind, PENDING, mpxn=mpxn)
            inventory.add(order[eui(number)])
        elif known is None:
            continue
        elif what == "delete":
            inventory.delete(eui(number))
            del order[eui(number)]
        else:
            value = {"mpxn": mpxn, "hub": None if mpxn is None else eui(int(mpxn)), "type": kind}[what]
            setattr(known, what, value)
    again = Inventory()
    again.load(loads(dumps(inventory.save())))
    for each in (inventory, again):
        for kind in DeviceType:
            expected = [entry.eui for entry in order.values() if entry.type == kind]
            assert [entry.eui for entry in each.of_type(kind)] == expected
        for mpxn in ("7", "8"):
            assert [entry.eui for entry in each.at(mpxn)] == [e.eui for e in order.values() if e.mpxn == mpxn]
    for hub in map(eui, range(9)):
        assert [entry.eui for entry in inventory.on_han(hub)] == [e.eui for e in order.values() if e.hub == hub]


async def test_a_device_is_on_the_han_of_the_hub_whose_log_it_was_added_to() -> None:
    with small_world(inventory={"esme": "unknown"}) as small:
        details = {"device_id": ESME, "device_type": "ESME", "device_manufacturer": "1234", "device_model": "00010001"}
        assert small.send("IS", "12.2", params=details).response_code == "I99"
        inventory = small.world.dcc.inventory
        assert ESME not in [entry.eui for entry in inventory.on_han(CHF)]
        added = {"device_id": ESME, "install_code": CODES["esme"], "join_time_period": 600}
        assert (await small.ask("IS", "8.11", CHF, added)).ok
        assert ESME in [entry.eui for entry in inventory.on_han(CHF)]
