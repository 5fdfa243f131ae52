from __future__ import annotations

import pytest

from bench.duis.service_requests import Target, WebService, all_service_requests, service_request, web_service
from bench.errors import UsageError


@pytest.mark.parametrize(
    ("variant", "reference", "critical", "target", "usual", "device_types"),
    [
        ("12.2", "12.2", False, Target.DCC, 8, ()),
        ("8.11", "8.11", False, Target.DEVICE, 1, ("CHF",)),
        ("8.1.1", "8.1", True, Target.DEVICE, 4, ("ESME", "GSME")),
        ("6.20.1", "6.20", False, Target.DEVICE, 1, ("ESME", "GSME")),
        ("6.5", "6.5", False, Target.DEVICE, 1, ("ESME",)),
        ("7.3", "7.3", True, Target.DEVICE, 4, ("ESME", "GSME")),
        ("8.2", "8.2", False, Target.DCC, 8, ()),
    ],
)
def test_facts_of_the_requests_that_runbooks_use(
    variant: str, reference: str, critical: bool, target: Target, usual: int, device_types: tuple[str, ...]
) -> None:
    request = service_request(variant)
    assert (request.reference, request.critical, request.target) == (reference, critical, target)
    assert (request.usual_command_variant, request.device_types) == (usual, device_types)


def test_every_web_service_is_the_one_of_the_command_variant() -> None:
    assert [web_service(each).value for each in range(1, 9)] == ["SC", "DO", "SC", "T", "SC", "DO", "SC", "DO"]
    assert web_service(4) is WebService.TRANSFORM


def test_there_are_129_variants_and_no_others() -> None:
    assert len(all_service_requests()) == 129
    with pytest.raises(UsageError, match=r"no Service Reference Variant '8\.1'. Did you mean 8\.1\.1\?"):
        service_request("8.1")
    with pytest.raises(UsageError, match=r"'8\.111'"):
        service_request("8.111")


def test_critical_means_that_the_user_signs() -> None:
    for request in all_service_requests().values():
        assert request.critical == (5 in request.command_variants), request.variant
        assert request.critical != (1 in request.command_variants) or request.target is Target.DCC, request.variant
        assert str(request) == f"{request.variant} {request.name}"
