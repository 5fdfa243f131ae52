"""DLMS use cases whose accesses depend on the parameters of the command."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bench.gbcs import dlms
from bench.gbcs.dlms import Access
from bench.gbcs.dlms_use_case import DlmsUseCase, Item
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Message
from bench.gbcs.use_case import Response, UseCase, Values, check_names


@dataclass(frozen=True, slots=True, kw_only=True)
class FormedUseCase(UseCase):
    """A use case with several lists of accesses, one of which each command has; its response has the same."""

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of all parameters that any of its commands has."""

    @abstractmethod
    def items_for(self, params: Values) -> tuple[Item, ...]:
        """The accesses of a command with these parameters.

        Raises:
            GbcsError: they do not say which.
        """

    @abstractmethod
    def hint(self, accesses: tuple[Access, ...]) -> Values:
        """Parameters that are enough for `items_for`, from a command's accesses.

        Raises:
            GbcsError: it is no command of this use case.
        """

    @abstractmethod
    def answered(self, results: int) -> tuple[Item, ...]:
        """Accesses that a response with so many results may have had.

        Raises:
            GbcsError: none of its commands has so many.
        """

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the access request."""
        check_names(params, self.names(), f"{self.name} command")
        return self._fixed(self.items_for(params)).encode_command(params, originator_counter=originator_counter)

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the access request."""
        return self._commanded(content).decode_command(content)

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the access response to the command with the most accesses; `build_response` knows the command."""
        whole = self._fixed(self.answered(0))
        return whole.encode_response(values, originator_counter=originator_counter, ok=ok)

    def decode_response(self, content: bytes) -> Response:
        """Read the access response."""
        _, results = dlms.decode_response(content)
        if not results:
            raise GbcsError(f"no results of {self.name}")
        return self._fixed(self.answered(len(results))).decode_response(content)

    def build_response(
        self, command: Message, values: Values, *, ok: bool = True, device_time: datetime | None = None
    ) -> Message:
        """Return the message that answers a command: it has the accesses of the command."""
        return self._commanded(command.content).build_response(command, values, ok=ok, device_time=device_time)

    def _commanded(self, content: bytes) -> DlmsUseCase:
        _, accesses = dlms.decode_request(content)
        return self._fixed(self.items_for(self.hint(accesses)))

    def _fixed(self, items: tuple[Item, ...]) -> DlmsUseCase:
        return DlmsUseCase(
            message_code=self.message_code,
            name=self.name,
            service_references=self.service_references,
            device_type=self.device_type,
            critical=self.critical,
            response_signed=self.response_signed,
            sender=self.sender,
            broker_signs=self.broker_signs,
            response_dated=self.response_dated,
            items=items,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionalItems(FormedUseCase):
    """A use case some of whose settings may be left away: those that the parameters do not name.

    Attributes:
        optional: what may be left away, in its order.
        items: what follows and never is.
    """

    optional: tuple[Item, ...]
    items: tuple[Item, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Names of all parameters."""
        return tuple(dict.fromkeys(name for item in (*self.optional, *self.items) for name in item.params))

    def items_for(self, params: Values) -> tuple[Item, ...]:
        """The settings that the parameters name."""
        found = (*(item for item in self.optional if item.name in params), *self.items)
        if not found:
            raise GbcsError(f"{self.name} has nothing to set", expected=" or ".join(self.names()))
        return found

    def hint(self, accesses: tuple[Access, ...]) -> Values:
        """The names of what is set."""
        found = [(access.verb, access.target) for access in accesses]
        return {item.name: None for item in self.optional if (item.verb, item.target) in found}

    def answered(self, results: int) -> tuple[Item, ...]:
        """As many as there are results: which of the optional ones they are cannot be seen."""
        most, least = len(self.optional) + len(self.items), max(1, len(self.items))
        if results and not least <= results <= most:
            raise GbcsError(f"{results} results of {self.name}", expected=f"{least} to {most}")
        left = (results or most) - len(self.items)
        return (*self.optional[:left], *self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptItems(FormedUseCase):
    """A use case that runs a script, after it has set what that script needs.

    Attributes:
        script: the access that runs it, whose data select the script.
        settings: by selector, what is set first.
        examples: selectors, one for each number of accesses, the longest first.
    """

    script: Item
    settings: dict[int, tuple[Item, ...]]
    examples: tuple[int, ...]

    def names(self) -> tuple[str, ...]:
        """Names of all parameters."""
        first = (name for items in self.settings.values() for item in items for name in item.params)
        return tuple(dict.fromkeys((*self.script.params, *first)))

    def items_for(self, params: Values) -> tuple[Item, ...]:
        """The settings that go before the script, and the script."""
        selector = self.script.sent.write(params).integer
        if selector not in self.settings:
            raise GbcsError(f"{self.name} has no script {selector:04x}")
        return (*self.settings[selector], self.script)

    def hint(self, accesses: tuple[Access, ...]) -> Values:
        """What the selector says."""
        if not accesses:
            raise GbcsError(f"no accesses of {self.name}")
        return self.script.sent.read(accesses[-1].data)

    def answered(self, results: int) -> tuple[Item, ...]:
        """The accesses of an example."""
        for selector in self.examples:
            items = (*self.settings[selector], self.script)
            if results in (0, len(items)):
                return items
        raise GbcsError(f"{results} results of {self.name}")
