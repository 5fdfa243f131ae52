"""Every use case whose content the bench reads and writes, found by message code or Service Reference Variant."""

from __future__ import annotations

from functools import cache

from bench.gbcs import (
    asn1_use_cases,
    configuration_use_cases,
    credentials,
    dlms_use_cases,
    firmware_use_cases,
    gbz_reads,
    gbz_use_cases,
    hub_use_cases,
    load_control_use_cases,
    log_gas_use_cases,
    log_register_use_cases,
    log_use_cases,
    payment_use_cases,
    readings_use_cases,
    security_use_cases,
    tariff_use_cases,
    voltage_use_cases,
)
from bench.gbcs.use_case import Response, Sender, UseCase, Values

__all__ = ["Response", "Sender", "UseCase", "Values", "all_use_cases", "use_case_for", "use_cases_for_service"]


@cache
def all_use_cases() -> tuple[UseCase, ...]:
    """Return the use cases, ordered by message code."""
    found: list[UseCase] = [
        *voltage_use_cases.USE_CASES,
        *dlms_use_cases.USE_CASES,
        *log_use_cases.USE_CASES,
        *log_register_use_cases.USE_CASES,
        *log_gas_use_cases.USE_CASES,
        *gbz_use_cases.USE_CASES,
        *gbz_reads.USE_CASES,
        *asn1_use_cases.READS,
        asn1_use_cases.CLOCK,
        *asn1_use_cases.JOIN,
        *credentials.USE_CASES,
        *tariff_use_cases.USE_CASES,
        *payment_use_cases.USE_CASES,
        *readings_use_cases.USE_CASES,
        *configuration_use_cases.USE_CASES,
        *load_control_use_cases.USE_CASES,
        *security_use_cases.USE_CASES,
        *hub_use_cases.USE_CASES,
        *firmware_use_cases.USE_CASES,
    ]
    return tuple(sorted(found, key=lambda use_case: use_case.message_code))


@cache
def _by_code() -> dict[int, UseCase]:
    return {use_case.message_code: use_case for use_case in reversed(all_use_cases())}


def use_case_for(message_code: int) -> UseCase | None:
    """Return the use case of a message code, the first where several share it; None where it is not decoded.

    Those that share a message code have the same content; they differ in whose command it is.
    """
    return _by_code().get(message_code)


def use_cases_for_service(service_reference: str, device_type: str) -> tuple[UseCase, ...]:
    """Return the use cases that a Service Reference Variant may become for a type of device.

    Several come back where the request's body decides: voltage settings by phases and counter reset, 8.11 by add or
    remove, 8.7.2 by the join method.
    """
    return tuple(
        use_case
        for use_case in all_use_cases()
        if service_reference in use_case.service_references and use_case.device_type in (device_type, "any")
    )
