"""What is decided of an AITenant and of its MaasTenantConfig, and what their status says of it."""

from typing import Any

import pytest

from harness.simulator.controllers.maas import workload
from harness.simulator.controllers.maas.names import DEFAULT_TENANT, Settings
from harness.simulator.controllers.maas.tenant import (
    Footing,
    claimed_by_other,
    config_status,
    gateway_of,
    judge_config,
    judge_tenant,
    malformed_replicas,
    namespace_of,
)
from harness.simulator.controllers.runtime.condition import find
from harness.simulator.controllers.runtime.manifest import Key
from tests.controllers.conftest import INGRESS
from tests.controllers.objects import ai_tenant, made, said

SETTINGS = Settings()
BLUE = Key("ai-tenants", "blue")


def test_the_gateway_is_the_wished_one_the_default_one_or_one_of_the_tenants_name() -> None:
    assert gateway_of(ai_tenant(gateway={"name": "gw"}), SETTINGS).name == "gw"
    assert gateway_of(ai_tenant(DEFAULT_TENANT), SETTINGS).name == "maas-default-gateway"
    assert gateway_of(ai_tenant(), SETTINGS).name == "blue"


def test_namespaces() -> None:
    assert namespace_of(DEFAULT_TENANT, SETTINGS) == "models-as-a-service"
    assert namespace_of("blue", SETTINGS) == "ai-tenant-blue"


@pytest.mark.parametrize(
    ("namespace", "rival", "gateway", "ready", "expected"),
    [
        ("elsewhere", False, True, True, ("Failed", "InvalidPlacement")),
        ("ai-tenants", True, True, True, ("Failed", "GatewayClaimFailed")),
        ("ai-tenants", False, False, True, ("Failed", "GatewayCheckFailed")),
        ("ai-tenants", False, True, False, ("Pending", "TenantConfigNotReady")),
        ("ai-tenants", False, True, True, ("Active", "Reconciled")),
    ],
)
def test_standing(namespace: str, rival: bool, gateway: bool, ready: bool, expected: tuple[str, str]) -> None:
    rivals = [ai_tenant("older")] if rival else []
    found = made("Gateway", "blue", INGRESS) if gateway else None
    finding = judge_tenant(ai_tenant(namespace=namespace), SETTINGS, rivals, found, ready)
    assert (finding.phase, finding.reason) == expected


def test_a_namespace_made_for_another_tenant_is_not_taken() -> None:
    notes = {"maas.opendatahub.io/aitenant-name": "red", "maas.opendatahub.io/aitenant-namespace": "ai-tenants"}
    claimed = made("Namespace", "ai-tenant-blue", "", metadata={"annotations": notes})
    assert claimed_by_other(claimed, BLUE) == "ai-tenants/red"
    assert claimed_by_other(claimed, Key("ai-tenants", "red")) == ""
    assert claimed_by_other(made("Namespace", "ai-tenant-blue", ""), BLUE) == ""


@pytest.mark.row("MAAS-STAT-040")
@pytest.mark.parametrize(
    ("state", "conditions", "footing", "expected"),
    [
        (None, None, Footing(), ("Failed", "InvalidGateway")),
        (None, said("-Programmed"), Footing(), ("Pending", "GatewayNotReady")),
        (None, said("Programmed"), Footing(serving=False), ("Pending", "DeploymentsNotReady")),
        (None, said("Programmed"), Footing(refused="no"), ("Failed", "PlatformReconcileFailed")),
        (None, said("Programmed"), Footing(prerequisites="no"), ("Failed", "PrerequisitesNotMet")),
        (None, None, Footing(dependencies="no"), ("Pending", "DependenciesNotAvailable")),
        (None, said("Programmed"), Footing(), ("Active", "Reconciled")),
        ("Removed", said("Programmed"), Footing(), ("Pending", "WaitingForRemovedTeardown")),
        ("Sometimes", said("Programmed"), Footing(), ("Failed", "UnexpectedManagementState")),
    ],
)
def test_configuration(state: str | None, conditions: Any, footing: Footing, expected: tuple[str, str]) -> None:
    notes = {"component.opendatahub.io/management-state": state} if state else {}
    config = made("MaasTenantConfig", "default-tenant", "ns", metadata={"annotations": notes})
    gateway = made("Gateway", "g", INGRESS, status={"conditions": conditions}) if conditions else None
    finding = judge_config(config, Key(INGRESS, "g"), gateway, footing)
    assert (finding.phase, finding.reason) == expected
    written = config_status(config, finding, footing, SETTINGS, "now")
    assert find(written["conditions"], "Ready")["status"] == str(expected[0] == "Active")
    assert find(written["conditions"], "DeploymentsAvailable")["status"] == str(footing.serving)


@pytest.mark.parametrize(("value", "well"), [("1", True), ("100", True), ("0", False), ("101", False), ("two", False)])
def test_replica_annotations_are_numbers(value: str, well: bool) -> None:
    notes = {"maas.opendatahub.io/maas-api-replicas": value}
    config = made("MaasTenantConfig", "default-tenant", "ns", metadata={"annotations": notes})
    assert (malformed_replicas(config) == "") is well
    assert workload.replicas(config) == (int(value) if well else 1)
    programmed = made("Gateway", "g", status={"conditions": said("Programmed")})
    finding = judge_config(config, Key("", "g"), programmed, Footing())
    assert config_status(config, finding, Footing(), SETTINGS, "now")["phase"] == ("Active" if well else "Degraded")
