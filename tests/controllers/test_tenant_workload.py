"""What runs for a tenant: how it is called, and when it serves."""

from typing import Any

import pytest

from harness.simulator.controllers.maas import workload
from tests.controllers.objects import ai_tenant, made, said


@pytest.mark.parametrize("tenant", ["blue", "x" * 41])
def test_names_stay_within_what_kubernetes_takes(tenant: str) -> None:
    assert len(workload.cleanup_name(tenant)) <= 52
    assert len(workload.revocation_name(ai_tenant(tenant))) <= 63
    assert len(workload.api_name(tenant)) <= 63


def test_a_tenant_made_anew_has_another_revocation() -> None:
    first, second = ai_tenant(), ai_tenant()
    second["metadata"]["uid"] = "another"
    assert workload.revocation_name(first) != workload.revocation_name(second)


@pytest.mark.parametrize(
    ("generation", "status", "available"),
    [
        (1, {"observedGeneration": 1, "availableReplicas": 1, "conditions": said("Available")}, True),
        (2, {"observedGeneration": 1, "availableReplicas": 1, "conditions": said("Available")}, False),
        (1, {"observedGeneration": 1, "availableReplicas": 0, "conditions": said("Available")}, False),
        (1, {"observedGeneration": 1, "availableReplicas": 1, "conditions": said("-Available")}, False),
        (1, {}, False),
    ],
)
def test_a_deployment_is_available_in_its_present_form(
    generation: int, status: dict[str, Any], available: bool
) -> None:
    found = made("Deployment", "d", metadata={"generation": generation}, spec={"replicas": 1}, status=status)
    assert workload.is_available(found) is available
