"""What a request says if nobody says otherwise, and what only the caller can say."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bench.duis.bodies import SIGNED_PRE_COMMAND, Body, body_of
from bench.duis.service_requests import SIGNED_VARIANTS, service_request
from bench.duis.shapes import Choice, Group, Item, Leaf, Repeat, Shape, complete, leaves, needed
from bench.errors import UsageError

_EXECUTION = "execution_date_time"
# Moments that a request needs, and how long after now they lie by default.
_MOMENTS = {
    _EXECUTION: timedelta(0),
    "current_date_time": timedelta(0),
    "restriction_date_time": timedelta(0),
    "start_date_time": timedelta(0),
    "end_date_time": timedelta(hours=1),
    "schedule_start_date": timedelta(days=1),
    "opt_in_date": timedelta(days=1),
}


def default_params(
    variant: str,
    command_variant: int,
    *,
    future: datetime | None = None,
    now: datetime | None = None,
    device_type: str | None = None,
) -> dict[str, Any]:
    """The parameters of a request as the bench fills them in, without those that `needed_params` names.

    `build_request` fills in the same, but for what depends on the arguments here.

    Args:
        variant: the Service Reference Variant, "6.20.1".
        command_variant: 1 to 9; of a Signed Pre-Command (5, 6 and 7) only the execution time is a matter of choice.
        future: when the device shall carry it out, aware; None: on demand.
        now: the moment of sending, aware, from which times that a request cannot do without follow: the device's
            clock is set to it, a schedule starts on the day after, a limit ends an hour after. None: they are left
            to the caller.
        device_type: the target, in DUIS names: "GSME" is given what gas devices take. None: an electricity device.

    Raises:
        UsageError: there is no such variant, or it cannot be future dated.
    """
    request = service_request(variant)
    own = body_of(variant)
    assert own is not None  # service_request has seen the variant
    if future is not None and _EXECUTION not in [item.key for item in leaves(own.shape)]:
        raise UsageError(f"{request} cannot be future dated", next_step="Send it on demand")
    signed = command_variant in SIGNED_VARIANTS
    body: Body = SIGNED_PRE_COMMAND if signed else own
    given: dict[str, Any] = {}
    if device_type == "GSME" and not signed:
        given |= own.gas or {}
    for name in needed_params(variant, command_variant):
        if now is not None and name in _MOMENTS:
            moment = now + _MOMENTS[name]
            given[name] = moment.date() if name.endswith("_date") else moment
    if future is not None:
        given[_EXECUTION] = future
    return complete(_closed(body.shape, given), given, str(request))


def gas_params(variant: str, given: Collection[str]) -> dict[str, Any]:
    """The parameters that make a request one for a gas device, without those that what is given decides otherwise.

    Raises:
        UsageError: there is no such variant.
    """
    service_request(variant)
    own = body_of(variant)
    assert own is not None  # service_request has seen the variant
    decided = {
        leaf.key
        for choice in _choices(own.shape)
        if any(leaf.key in given for leaf in leaves((choice,)))
        for leaf in leaves((choice,))
    }
    return {name: value for name, value in (own.gas or {}).items() if name not in decided and name not in given}


def _choices(items: Shape) -> Iterator[Choice]:
    for item in items:
        if isinstance(item, Choice):
            yield item
        elif isinstance(item, Group) and not item.nests:
            yield from _choices(item.items)


def needed_params(variant: str, command_variant: int) -> tuple[str, ...]:
    """Names of the parameters that have no default; of a choice without a default those of the first branch.

    Raises:
        UsageError: there is no such variant.
    """
    service_request(variant)
    body = SIGNED_PRE_COMMAND if command_variant in SIGNED_VARIANTS else body_of(variant)
    assert body is not None  # service_request has seen the variant
    return tuple(_open(body.shape))


def _is_open(item: Item) -> bool:
    """Whether nothing fills in this required item."""
    if isinstance(item, Leaf):
        return item.required and item.default is None
    return isinstance(item, Repeat | Choice) and needed(item) and not item.default


def _open(items: Shape) -> Iterator[str]:
    for item in items:
        if isinstance(item, Group) and item.required and not item.nests:
            yield from _open(item.items)
        elif isinstance(item, Choice) and _is_open(item):
            yield from _open(item.branches[0])
        elif not isinstance(item, Choice | Group) and _is_open(item):
            yield item.key


def _closed(items: Shape, given: dict[str, Any]) -> Shape:
    """A shape without the items that are open, except those that are given."""
    out: list[Item] = []
    for item in items:
        if isinstance(item, Group) and item.required and not item.nests:
            out.append(replace(item, items=_closed(item.items, given)))
        elif not _is_open(item) or (not isinstance(item, Choice | Group) and item.key in given):
            out.append(item)
    return tuple(out)
