"""Wires of the devices under test and of their witnesses: hub monitor, meter console and HAN sniffer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from drivers.emulated.broker import Broker
from drivers.emulated.commands import Refused
from drivers.emulated.comms_hub import HubStatus
from drivers.emulated.console_wire import ConsoleWire
from drivers.emulated.esme import Esme
from drivers.emulated.faults import Fault
from drivers.emulated.functions.load_control import LoadControl
from drivers.emulated.functions.payment import ElectricityPayment
from drivers.emulated.functions.tariff import Tariff
from drivers.emulated.hub_wire import HubMonitor, HubPanel
from drivers.emulated.sniffer_wire import Dialect, SnifferWire
from drivers.emulated.wires import Place, Wire

_BROKER_AWAY_S = 5.0
_FOR_EVER = 1 << 40
_POUND = 100_000
_T = TypeVar("_T")


class HubWire(Wire):
    """The Comms Hub's monitor, and the MQTT broker that it publishes on."""

    faults = ("broker-restart", "broker-away")

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._topic = str(place.section.get("topic", f"hilbench/hub/{place.name}"))
        self._broker = Broker(host=place.spec.host, port=place.spec.port)
        status = place.world.hub.status
        self._panel = HubPanel(place.world.clock, power=status.power, wan=status.wan, han=status.han, leds=status.leds)
        self._monitor = HubMonitor(self._panel, self._topic, host=place.spec.host, port=lambda: self._broker.port)

    async def start(self) -> Mapping[str, Any]:
        """Start the broker and the monitor."""
        await self._broker.start()
        self.place.world.hub.watch(self._show)
        await self._monitor.start()
        return {"host": self.place.spec.host, "port": self._broker.port, "topic": self._topic}

    async def close(self) -> None:
        """Stop both."""
        await self._monitor.stop()
        await self._broker.stop()

    async def fail(self, fault: Fault) -> None:
        """Take the broker away, for a while or until that is mended."""
        await self._broker.stop()
        if fault.name == "broker-restart":
            await asyncio.sleep(_BROKER_AWAY_S)
            await self._broker.start()

    async def mend(self, fault: Fault) -> None:
        """Bring the broker back."""
        await self._broker.start()

    def _show(self, status: HubStatus) -> None:
        self._panel.show(power=status.power, wan=status.wan, han=status.han, leds=status.leds)


class MeterConsole(Wire):
    """The ESME's service console.

    Unless the rig file describes other commands, the driver is told these: `status`, `time`, `reboot`, `switches`
    (which auxiliary loads are on), `boost` (the boost button), `tariff` (the price now, and what counts), and what a
    consumer does about his credit: `credit`, `topup`, `emergency` and `enable`, which closes an armed supply.
    """

    faults = ("console-unplugged",)

    _PROMPT = "meter> "
    _COMMANDS: Mapping[str, Mapping[str, Any]] = {
        "status": {
            "send": "status",
            "reply": [r"supply (?P<supply>[a-z]+)", r"load (?P<load>[a-z]+)", r"voltage (?P<volts>[0-9.]+) V"],
        },
        "time": {"send": "time", "reply": [r"time (?P<time>[0-9T:.Z-]+)"]},
        "reboot": {"send": "reboot", "reply": ["rebooting"]},
        "switches": {"send": "switches", "reply": [r"closed (?P<closed>[1-5 ]+|none)"]},
        "boost": {"send": "boost {minutes}", "arguments": {"minutes": "[0-9]+"}, "reply": [r"boost \d+ min"]},
        "credit": {
            "send": "credit",
            "reply": [
                "mode (?P<mode>credit|prepayment)",
                r"balance (?P<balance>-?[0-9.]+) GBP",
                r"emergency (?P<emergency>[0-9.]+) GBP",
                r"debt (?P<debt>[0-9.]+) GBP",
            ],
        },
        "topup": {
            "send": "topup {utrn}",
            "arguments": {"utrn": "[0-9]{20}"},
            "reply": [r"added (?P<added>[0-9.]+) GBP"],
        },
        "emergency": {"send": "emergency", "reply": ["emergency credit activated"]},
        "enable": {"send": "enable", "reply": ["supply enabled"]},
        "tariff": {"send": "tariff", "reply": [r"price (?P<price>[0-9.-]+) per kWh", r"counts (?P<counts>[a-z0-9_]+)"]},
    }

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._wire = ConsoleWire(
            place.link,
            {
                "status": self._status,
                "time": self._time,
                "reboot": self._reboot,
                "switches": self._switches,
                "boost": self._boost,
                "credit": self._credit,
                "topup": self._top_up,
                "emergency": self._emergency,
                "enable": self._enable,
                "tariff": self._tariff,
            },
            place.world.schedule.random(f"line of {place.name}"),
            prompt=self._PROMPT,
        )

    async def start(self) -> Mapping[str, Any]:
        """Plug it in."""
        self._wire.start()
        told = {"prompt": self._PROMPT, "echo": True, "commands": self._COMMANDS, "refusals": [r"ERROR (?P<reason>.*)"]}
        own = {} if "commands" in self.place.section else told
        return own | {"resource": str(self.place.link)}

    async def close(self) -> None:
        """Take it away."""
        self._wire.stop()

    async def fail(self, fault: Fault) -> None:
        """Pull the cable."""
        self._wire.line.unplug()

    async def mend(self, fault: Fault) -> None:
        """Plug it in again."""
        self._wire.line.plug()

    def _status(self, _words: Sequence[str]) -> Sequence[str]:
        esme = self._esme()
        load = "on" if esme.load.volts else "off"
        return [f"supply {esme.supply.name.lower()}", f"load {load}", f"voltage {esme.node.volts:.1f} V"]

    def _time(self, _words: Sequence[str]) -> Sequence[str]:
        return [f"time {self._esme().clock.utc():%Y-%m-%dT%H:%M:%SZ}"]

    def _reboot(self, _words: Sequence[str]) -> Sequence[str]:
        self._esme().reboot()
        return ["rebooting"]

    def _switches(self, _words: Sequence[str]) -> Sequence[str]:
        closed = self._esme().function(LoadControl).closed
        return [f"closed {' '.join(str(number) for number, on in closed.items() if on) or 'none'}"]

    def _boost(self, words: Sequence[str]) -> Sequence[str]:
        (minutes,) = words if len(words) == 1 and words[0].isdigit() else ("",)
        if not minutes:
            raise ValueError("boost MINUTES; 0 ends it")
        try:
            self._esme().function(LoadControl).press_boost(int(minutes))
        except Refused as refused:
            raise ValueError(str(refused)) from None
        return [f"boost {int(minutes)} min"]

    def _credit(self, _words: Sequence[str]) -> Sequence[str]:
        payment = self._esme().function(ElectricityPayment)
        money = payment.money()
        mode = "prepayment" if payment.account.prepayment else "credit"
        debts = (money.accumulated_debt, money.payment_debt, *money.time_debts)
        amounts = {"balance": money.balance, "emergency": money.emergency_credit, "debt": sum(debts)}
        return [f"mode {mode}", *(f"{name} {amount / _POUND:.2f} GBP" for name, amount in amounts.items())]

    def _top_up(self, words: Sequence[str]) -> Sequence[str]:
        if len(words) != 1:
            raise ValueError("topup UTRN, its 20 digits without blanks")
        return [f"added {self._pay(lambda payment: payment.enter(words[0])) / _POUND:.2f} GBP"]

    def _emergency(self, _words: Sequence[str]) -> Sequence[str]:
        self._pay(ElectricityPayment.activate_emergency_credit)
        return ["emergency credit activated"]

    def _enable(self, _words: Sequence[str]) -> Sequence[str]:
        self._pay(ElectricityPayment.close)
        return ["supply enabled"]

    def _pay(self, act: Callable[[ElectricityPayment], _T]) -> _T:
        try:
            return act(self._esme().function(ElectricityPayment))
        except Refused as refused:
            raise ValueError(str(refused)) from None

    def _tariff(self, _words: Sequence[str]) -> Sequence[str]:
        tariff = self._esme().function(Tariff)
        return [f"price {tariff.price_now():f} per kWh", f"counts {tariff.counts}"]

    def _esme(self) -> Esme:
        if not self.place.world.esme.powered:
            raise ValueError("no supply")
        return self.place.world.esme


class Sniffer(Wire):
    """The HAN sniffer; its option `dialect` says which firmware: "base64", "hex with FCS" or "hex without FCS"."""

    options = ("dialect",)
    faults = ("sniffer-unplugged", "sniffer-garbled")

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        dialect = place.option("dialect", Dialect.BASE64.value, {each.value: each for each in Dialect})
        self._wire = SnifferWire(
            place.link,
            place.world.spec.world.han_channel,
            place.world.schedule.random(f"line of {place.name}"),
            dialect=dialect,
        )

    async def start(self) -> Mapping[str, Any]:
        """Plug it in."""
        self._wire.plug()
        self.place.world.overhear(self._wire.air)
        return {"resource": str(self.place.link)}

    async def close(self) -> None:
        """Take it away."""
        self._wire.close()

    async def fail(self, fault: Fault) -> None:
        """Pull it out, or let it print garbage."""
        if fault.name == "sniffer-unplugged":
            self._wire.unplug()
        else:
            self._wire.line.garble_next(_FOR_EVER)

    async def mend(self, fault: Fault) -> None:
        """Plug it in again, or let it make sense again."""
        if fault.name == "sniffer-unplugged":
            self._wire.plug()
        else:
            self._wire.line.garble_no_more()
