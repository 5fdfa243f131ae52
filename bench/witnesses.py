"""Those who would have seen what did not come: could they see all the while?

"Unavailable" is not "absent": that nothing was seen says something only of a witness that could see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from bench.capabilities import CommsHub, DccGateway, HanSniffer, Witness, can
from bench.errors import BenchError
from bench.events import Event
from bench.rig.session import RigSession
from bench.sightings import CARRIED_BY_DCC
from bench.steps import Step
from bench.verbs import INVENTORY_REQUEST

_SEES: Mapping[str, type[Witness]] = {"han": HanSniffer, "hub": CommsHub}
_MOST_REFUSALS = 20
"""Different refusals of one run that are told; whoever floods the receive service does not flood the report."""


def watch_witnesses(session: RigSession) -> Callable[[str], bool]:
    """Begin to watch the rig's witnesses.

    Returns:
        says of "han" and "hub" whether one that sees it is there now and has missed nothing since the beginning.
    """
    begun = [
        (kind, driver, driver.gaps())
        for kind, capability in _SEES.items()
        for driver in session.drivers.values()
        if can(driver, capability)
    ]
    return lambda what: any(kind == what and driver.can_see() and driver.gaps() == gaps for kind, driver, gaps in begun)


class DccWitness:
    """The DCC as a witness of what devices say: what it brought that could not be believed, and whether it is there.

    Args:
        session: the rig.
        tell: told of each refusal, and whether it is the first of its kind in this run.
    """

    def __init__(self, session: RigSession, tell: Callable[[str, bool], None]) -> None:
        self._session, self._tell = session, tell
        self._told: set[str] = set()

    def receive(self, event: Event) -> None:
        """Take note of what the gateway refused; for the event stream."""
        if event.kind != "seen.refused" or not isinstance(self._session.drivers.get(event.source), DccGateway):
            return
        text = f"{event.data['what']} was refused: {event.data['why']}"
        new = text not in self._told
        if not new or len(self._told) < _MOST_REFUSALS:
            self._told.add(text)
            self._tell(text, new)

    async def missing(self, steps: Iterable[Step]) -> str:
        """Ask the DCC something if any of these steps relied on what it brings or does not bring.

        Returns:
            why nothing can be concluded from its silence; empty if it answers as it should.
        """
        relying = [step for step in steps if _relies_on_dcc(step)]
        if not relying:
            return ""
        parties = self._session.parties
        user = next((step.user for step in relying if step.user is not None), next(iter(parties.users)))
        try:
            gateway = self._session.capability(DccGateway)
            params = {"device_id": parties.duts[self._session.rig.file.supply.feeds].eui}
            await gateway.request(user, INVENTORY_REQUEST, parties.dcc, params)
        except BenchError as error:
            return f"the DCC is not there at the end, so that what did not come proves nothing: {error}"
        return ""


def _relies_on_dcc(step: Step) -> bool:
    parts = (step, *(step.parallel or ()))
    return any(item.kind in CARRIED_BY_DCC for part in parts for item in (*part.expect, *part.forbid))
