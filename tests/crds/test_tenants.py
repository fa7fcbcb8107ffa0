"""What the kinds for tenants and settings accept, default and show, row by row."""

from typing import Any

import pytest

from .kinds import CONDITION, Kinds


@pytest.mark.row("MAAS-CRD-080")
@pytest.mark.parametrize("name", ["a" * 42, "a.b"])
def test_tenant_name_refused(kinds: Kinds, name: str) -> None:
    assert "AITenant" in kinds.refused("aitenants", {}, name)
    assert kinds.created("aitenants", name="a" * 41)


_OIDC = {"issuerUrl": "https://i.example", "clientId": "c"}


@pytest.mark.row("MAAS-CRD-081", "MAAS-CRD-082", "MAAS-CRD-083")
@pytest.mark.parametrize(
    ("edits", "place"),
    [
        ({"spec.gateway": {"name": "g" * 64}}, "spec.gateway.name"),
        ({"spec.oidc": _OIDC | {"issuerUrl": "http://i.example"}}, "issuerUrl"),
        ({"spec.oidc": _OIDC | {"issuerUrl": "https://"}}, "issuerUrl"),
        ({"spec.oidc": _OIDC | {"issuerUrl": "https://" + "a" * 2041}}, "issuerUrl"),
        ({"spec.oidc": {"clientId": "c"}}, "issuerUrl"),
        ({"spec.oidc": {"issuerUrl": "https://i.example"}}, "clientId"),
        ({"spec.oidc": _OIDC | {"clientId": "a b"}}, "clientId"),
        ({"spec.oidc": _OIDC | {"clientId": "c" * 257}}, "clientId"),
        ({"spec.oidc": _OIDC | {"ttl": 29}}, "ttl"),
        ({"spec.rbac": {"admins": [{"kind": "Role", "name": "x"}]}}, "kind"),
        ({"spec.rbac": {"admins": [{"kind": "User", "name": "x"}] * 129}}, "admins"),
    ],
)
def test_tenant_refused(kinds: Kinds, edits: dict[str, Any], place: str) -> None:
    assert place in kinds.refused("aitenants", edits)


@pytest.mark.row("MAAS-CRD-082", "MAAS-CRD-083", "MAAS-CRD-084")
def test_tenant_accepted(kinds: Kinds) -> None:
    admins = [{"kind": kind, "name": "x"} for kind in ("User", "Group", "ServiceAccount")]
    created = kinds.created("aitenants", {"spec.oidc": _OIDC, "spec.rbac.admins": admins})
    assert created["spec"] == {"oidc": _OIDC | {"ttl": 300}, "rbac": {"admins": admins}}
    name = created["metadata"]["name"]
    conditions = [CONDITION | {"type": kind} for kind in ("Ready", "APIKeysRevoked", "Degraded")]
    for phase in ("Pending", "Active", "Failed", "Terminating"):
        status = {
            "phase": phase,
            "tenantNamespace": "n",
            "gatewayRef": {"namespace": "a", "name": "b"},
            "conditions": conditions,
        }
        assert kinds.set_status("aitenants", name, status).json()["status"] == status
    assert kinds.set_status("aitenants", name, {"phase": "Ready"}).status_code == 422


@pytest.mark.row("MAAS-CRD-090", "MAAS-CRD-098")
@pytest.mark.parametrize("plural", ["maastenantconfigs", "tenants"])
def test_settings_have_one_name(kinds: Kinds, plural: str) -> None:
    assert "default-tenant" in kinds.refused(plural, {}, "other")


@pytest.mark.row("MAAS-CRD-091", "MAAS-CRD-093")
@pytest.mark.parametrize("plural", ["maastenantconfigs", "tenants"])
@pytest.mark.parametrize(
    ("edits", "place"),
    [
        ({"spec.apiKeys.maxExpirationDays": 0}, "maxExpirationDays"),
        *[({"spec.payloadProcessing.replicas": count}, "replicas") for count in (0, 101)],
        *[
            ({f"spec.payloadProcessing.autoscaling.{member}": count}, member)
            for member in ("maxReplicas", "targetCPUUtilization", "targetMemoryUtilization")
            for count in (0, 101)
        ],
    ],
)
def test_settings_refused(kinds: Kinds, plural: str, edits: dict[str, Any], place: str) -> None:
    assert place in kinds.refused(plural, edits)


@pytest.mark.row("MAAS-CRD-092", "MAAS-CRD-093")
@pytest.mark.parametrize(
    ("spec", "defaulted"),
    [
        ({}, {}),
        ({"telemetry": {}}, {"telemetry": {"enabled": True}}),
        (
            {"telemetry": {"metrics": {}}},
            {
                "telemetry": {
                    "enabled": True,
                    "metrics": {
                        "captureOrganization": True,
                        "captureUser": False,
                        "captureGroup": False,
                        "captureModelUsage": True,
                    },
                }
            },
        ),
        (
            {"payloadProcessing": {"replicas": 100, "autoscaling": {}}},
            {
                "payloadProcessing": {
                    "replicas": 100,
                    "autoscaling": {"maxReplicas": 10, "targetCPUUtilization": 70, "targetMemoryUtilization": 80},
                }
            },
        ),
        ({"apiKeys": {"maxExpirationDays": 1}}, {"apiKeys": {"maxExpirationDays": 1}}),
    ],
)
def test_settings_defaults(kinds: Kinds, spec: dict[str, Any], defaulted: dict[str, Any]) -> None:
    assert kinds.created("maastenantconfigs", {"spec": spec})["spec"] == defaulted


@pytest.mark.row("MAAS-CRD-094")
def test_settings_status(kinds: Kinds) -> None:
    kinds.created("maastenantconfigs")
    names = ("Ready", "DependenciesAvailable", "MaaSPrerequisitesAvailable", "DeploymentsAvailable", "Degraded")
    conditions = [CONDITION | {"type": name} for name in names]
    for phase in ("Pending", "Active", "Degraded", "Failed"):
        status = {"phase": phase, "infraNamespace": "infra", "conditions": conditions}
        assert kinds.set_status("maastenantconfigs", "default-tenant", status).json()["status"] == status
    for wrong in (
        {"phase": "Ready"},
        {"conditions": [CONDITION | {"status": "Maybe"}]},
        {"conditions": [CONDITION, CONDITION]},
    ):
        assert kinds.set_status("maastenantconfigs", "default-tenant", wrong).status_code == 422


_CONFIGS = "/apis/maas.opendatahub.io/v1alpha1/configs"


@pytest.mark.row("MAAS-CRD-099")
@pytest.mark.parametrize(
    ("name", "spec", "status"),
    [
        ("default", {}, 201),
        ("default", {"limitadorScrapeInterval": "1h30m"}, 201),
        ("default", {"limitadorScrapeInterval": "1.5s"}, 201),
        ("other", {}, 422),
        ("default", {"limitadorScrapeInterval": "30"}, 422),
        ("default", {"limitadorScrapeInterval": "30d"}, 422),
        ("default", {"limitadorScrapeInterval": "1h1m1s1ms1h1m1s1m"}, 422),
    ],
)
def test_the_platforms_config(kinds: Kinds, name: str, spec: dict[str, Any], status: int) -> None:
    body = {"apiVersion": "maas.opendatahub.io/v1alpha1", "kind": "Config", "metadata": {"name": name}, "spec": spec}
    response = kinds.client.post(_CONFIGS, json=body, params={"dryRun": "All"})
    assert response.status_code == status, response.text
    if status == 201:
        assert response.json()["spec"] == {"limitadorScrapeInterval": "30s", "usageLogging": False} | spec


@pytest.mark.row("MAAS-CRD-080", "MAAS-CRD-099")
@pytest.mark.parametrize(
    ("plural", "short", "namespaced"), [("aitenants", ["ait"], True), ("configs", ["maasconfig"], False)]
)
def test_short_names_and_scope(kinds: Kinds, plural: str, short: list[str], namespaced: bool) -> None:
    resources = kinds.client.get("/apis/maas.opendatahub.io/v1alpha1").json()["resources"]
    found = next(item for item in resources if item["name"] == plural)
    assert (found.get("shortNames"), found["namespaced"]) == (short, namespaced)
