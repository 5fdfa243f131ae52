"""An emulated hand-held terminal: it delivers what it finds in the folder that it shares with the bench."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import CodecError
from drivers.emulated.wires import Place, Wire
from drivers.hand_held import COMMAND, RESPONSE

_LOOKS_EVERY_S = 1.0


class HandHeldWire(Wire):
    """Looks for commands every second; one that no device takes stays without a response."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._folder = Path(place.folder) / place.name
        self._task: asyncio.Task[None] | None = None
        self._seen: set[str] = set()

    async def start(self) -> Mapping[str, Any]:
        """Make the folder, and begin to look."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._task = asyncio.create_task(self._look(), name=f"hand-held terminal {self.place.name}")
        return {"folder": str(self._folder)}

    async def close(self) -> None:
        """Stop looking."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            for path in sorted(self._folder.glob(f"*{COMMAND}")):
                if path.name not in self._seen:
                    self._seen.add(path.name)
                    self._deliver(path)
            await asyncio.sleep(_LOOKS_EVERY_S)

    def _deliver(self, path: Path) -> None:
        try:
            response = self.place.world.deliver_locally(bytes.fromhex(path.read_text("ascii")))
        except (CodecError, ValueError):
            return
        if response is not None:
            half = path.with_suffix(".part")
            half.write_text(response.hex().upper() + "\n", "ascii")
            half.rename(path.with_suffix(RESPONSE))
