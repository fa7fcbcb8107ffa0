"""What models, access policies and subscriptions accept, default and show, and the columns of all MaaS kinds, row by row."""

from typing import Any

import pytest

from .kinds import CONDITION, REMOVE, Kinds

REASONS = [
    "Reconciled",
    "ReconcileFailed",
    "PartialFailure",
    "Valid",
    "NotFound",
    "GetFailed",
    "Accepted",
    "AcceptedEnforced",
    "NotAccepted",
    "Enforced",
    "NotEnforced",
    "BackendNotReady",
    "ConditionsNotFound",
    "InvalidSpec",
    "Unknown",
    "NoPairingFound",
    "GovernancePaired",
    "GovernanceGap",
    "RuntimeHealthy",
    "RuntimeHealthFailure",
]


@pytest.mark.row("MAAS-CRD-001", "MAAS-CRD-002", "MAAS-CRD-003", "MAAS-CRD-006")
@pytest.mark.parametrize(
    ("edits", "place"),
    [
        ({"spec": REMOVE}, "spec"),
        ({"spec.modelRef": REMOVE}, "spec.modelRef"),
        ({"spec.modelRef.kind": REMOVE}, "spec.modelRef.kind"),
        ({"spec.modelRef.kind": "InferenceService"}, "spec.modelRef.kind"),
        ({"spec.modelRef.name": REMOVE}, "spec.modelRef.name"),
        ({"spec.modelRef.name": ""}, "spec.modelRef.name"),
        ({"spec.modelRef.name": "a" * 254}, "spec.modelRef.name"),
        ({"spec.tenantRef": "Bad_Name"}, "spec.tenantRef"),
        ({"spec.tenantRef": "a" * 254}, "spec.tenantRef"),
        ({"spec.endpointOverride": 5}, "spec.endpointOverride"),
    ],
)
def test_model_refused(kinds: Kinds, edits: dict[str, Any], place: str) -> None:
    assert place in kinds.refused("maasmodelrefs", edits)


@pytest.mark.row("MAAS-CRD-002", "MAAS-CRD-003", "MAAS-CRD-006", "MAAS-CRD-005")
@pytest.mark.parametrize(
    "edits",
    [
        {"spec.modelRef.kind": "ExternalModel"},
        {"spec.modelRef.name": "a" * 253},
        {"spec.tenantRef": "blue-1"},
        {"spec.endpointOverride": "https://x.example/y"},
    ],
)
def test_model_accepted(kinds: Kinds, edits: dict[str, Any]) -> None:
    created = kinds.created("maasmodelrefs", edits)
    (path, value) = next(iter(edits.items()))
    found: Any = created
    for part in path.split("."):
        found = found[part]
    assert found == value


@pytest.mark.row("MAAS-CRD-004")
def test_a_models_backend_has_no_namespace(kinds: Kinds) -> None:
    edits = {"spec.modelRef.namespace": "elsewhere"}
    assert kinds.created("maasmodelrefs", edits)["spec"]["modelRef"] == {"kind": "LLMInferenceService", "name": "m"}
    strict = kinds.create("maasmodelrefs", edits, fieldValidation="Strict")
    assert strict.status_code == 400
    assert "spec.modelRef.namespace" in strict.json()["message"]


@pytest.mark.row("MAAS-CRD-007")
def test_model_status(kinds: Kinds) -> None:
    created = kinds.created("maasmodelrefs")
    name = created["metadata"]["name"]
    texts = ["endpoint", "httpRouteName", "httpRouteNamespace", "httpRouteGatewayName", "httpRouteGatewayNamespace"]
    status = dict.fromkeys([*texts, "resolvedTenantRef", "resolvedModelAlias"], "x")
    status |= {"phase": "Ready", "httpRouteHostnames": ["a", "b"], "conditions": [CONDITION]}
    kept = kinds.set_status("maasmodelrefs", name, status).json()
    assert kept["status"] == status
    assert kept["metadata"]["generation"] == created["metadata"]["generation"]
    for phase in ("Pending", "Ready", "Unhealthy", "Failed", "Invalid"):
        assert kinds.set_status("maasmodelrefs", name, {"phase": phase}).status_code == 200
    for wrong in ({"phase": "Active"}, {"httpRouteHostnames": "a"}, {"conditions": [{"type": "Ready"}]}):
        assert kinds.set_status("maasmodelrefs", name, wrong).status_code == 422


@pytest.mark.row("MAAS-CRD-020", "MAAS-CRD-021", "MAAS-CRD-022")
@pytest.mark.parametrize(
    ("edits", "place"),
    [
        ({"spec.modelRefs": []}, "spec.modelRefs"),
        ({"spec.modelRefs": REMOVE}, "spec.modelRefs"),
        ({"spec.modelRefs.0.namespace": REMOVE}, "spec.modelRefs[0].namespace"),
        ({"spec.modelRefs.0.name": "a" * 64}, "spec.modelRefs[0].name"),
        ({"spec.modelRefs.0.namespace": ""}, "spec.modelRefs[0].namespace"),
        ({"spec.subjects": REMOVE}, "spec.subjects"),
        ({"spec.subjects": {}}, "at least one group or user must be specified in subjects"),
        ({"spec.subjects": {"groups": [], "users": []}}, "at least one group or user must be specified in subjects"),
        ({"spec.subjects": {"users": []}}, "at least one group or user must be specified in subjects"),
        ({"spec.subjects": {"groups": ["team"]}}, "spec.subjects.groups[0]"),
        ({"spec.subjects": {"users": [{"name": "alice"}]}}, "spec.subjects.users[0]"),
    ],
)
def test_policy_refused(kinds: Kinds, edits: dict[str, Any], place: str) -> None:
    assert place in kinds.refused("maasauthpolicies", edits)


@pytest.mark.row("MAAS-CRD-020", "MAAS-CRD-021", "MAAS-CRD-022", "MAAS-CRD-023")
@pytest.mark.parametrize(
    "subjects",
    [
        {"groups": [{"name": "team"}]},
        {"users": ["alice"]},
        {"groups": [], "users": ["alice"]},
        {"groups": [{"name": "t"}], "users": []},
    ],
)
def test_policy_accepted(kinds: Kinds, subjects: dict[str, Any]) -> None:
    metering = {"organizationId": "o", "costCenter": "c", "labels": {"a": "b"}}
    spec = kinds.created(
        "maasauthpolicies",
        {"spec.subjects": subjects, "spec.modelRefs.0.name": "a" * 63, "spec.meteringMetadata": metering},
    )["spec"]
    assert (spec["subjects"], spec["meteringMetadata"]) == (subjects, metering)


@pytest.mark.row("MAAS-CRD-024", "MAAS-CRD-052")
def test_policy_status(kinds: Kinds) -> None:
    name = kinds.created("maasauthpolicies")["metadata"]["name"]
    for phase in ("Pending", "Active", "Degraded", "Failed", "Invalid"):
        assert kinds.set_status("maasauthpolicies", name, {"phase": phase}).status_code == 200
    assert kinds.set_status("maasauthpolicies", name, {"phase": "Ready"}).status_code == 422
    item = {
        "name": "a" * 253,
        "namespace": "n" * 63,
        "ready": True,
        "message": "m" * 1024,
        "model": "m",
        "modelNamespace": "llm",
    }
    for reason in REASONS:
        status = {"authPolicies": [item | {"reason": reason}], "conditions": [CONDITION]}
        kept = kinds.set_status("maasauthpolicies", name, status)
        assert kept.status_code == 200, kept.text
        assert kept.json()["status"]["authPolicies"] == status["authPolicies"]
    for wrong in (
        {"reason": "Other"},
        {"name": "a" * 254},
        {"namespace": "n" * 64},
        {"message": "m" * 1025},
        {"ready": "yes"},
    ):
        assert kinds.set_status("maasauthpolicies", name, {"authPolicies": [item | wrong]}).status_code == 422


@pytest.mark.row("MAAS-CRD-040", "MAAS-CRD-046", "MAAS-CRD-047", "MAAS-CRD-048", "MAAS-CRD-045", "MAAS-WH-008")
def test_subscription_accepted(kinds: Kinds) -> None:
    assert kinds.created("maassubscriptions", {"spec.owner": {}})["spec"]["priority"] == 0
    assert kinds.created("maassubscriptions", {"spec.priority": -5})["spec"]["priority"] == -5
    edits = {
        "spec.modelRefs.0.billingRate": {"perToken": "0.1"},
        "spec.tokenMetadata": {"organizationId": "o", "costCenter": "c", "labels": {"a": "b"}},
        "spec.modelRefs.0.tokenRateLimits": [
            {"limit": limit, "window": window}
            for limit, window in [(1, "1s"), (1_000_000_000, "9999s"), (5, "24h"), (5, "9999h"), (5, "10m")]
        ],
    }
    spec = kinds.created("maassubscriptions", edits)["spec"]
    assert spec["modelRefs"][0]["billingRate"] == edits["spec.modelRefs.0.billingRate"]
    assert spec["tokenMetadata"] == edits["spec.tokenMetadata"]
    assert spec["modelRefs"][0]["tokenRateLimits"] == edits["spec.modelRefs.0.tokenRateLimits"]


@pytest.mark.row(
    "MAAS-CRD-041", "MAAS-CRD-042", "MAAS-CRD-043", "MAAS-CRD-044", "MAAS-CRD-046", "MAAS-CRD-047", "MAAS-CRD-040"
)
@pytest.mark.parametrize(
    ("edits", "place"),
    [
        ({"spec.owner": REMOVE}, "spec.owner"),
        ({"spec.owner": {"groups": ["team"]}}, "spec.owner.groups[0]"),
        ({"spec.modelRefs": []}, "spec.modelRefs"),
        ({"spec.modelRefs.0.name": "a" * 64}, "name"),
        ({"spec.modelRefs.0.name": ""}, "name"),
        ({"spec.modelRefs.0.namespace": REMOVE}, "namespace"),
        ({"spec.modelRefs.0.tokenRateLimits": REMOVE}, "tokenRateLimits"),
        ({"spec.modelRefs.0.tokenRateLimits": []}, "tokenRateLimits"),
        *[
            ({"spec.modelRefs.0.tokenRateLimits.0.limit": limit}, "limit")
            for limit in (0, -1, 1_000_000_001, "5", 1.5, REMOVE)
        ],
        *[
            ({"spec.modelRefs.0.tokenRateLimits.0.window": window}, "window")
            for window in ("0s", "1d", "01m", "10000s", "1M", "1.5h", "", "m", "1h ", REMOVE)
        ],
        ({"spec.modelRefs.0.billingRate": {}}, "perToken"),
        ({"spec.priority": "high"}, "spec.priority"),
    ],
)
def test_subscription_refused(kinds: Kinds, edits: dict[str, Any], place: str) -> None:
    assert place in kinds.refused("maassubscriptions", edits)


@pytest.mark.row("MAAS-CRD-049", "MAAS-CRD-052")
def test_subscription_status(kinds: Kinds) -> None:
    name = kinds.created("maassubscriptions")["metadata"]["name"]
    for phase in ("Pending", "Active", "Degraded", "Failed", "Invalid"):
        assert kinds.set_status("maassubscriptions", name, {"phase": phase}).status_code == 200
    assert kinds.set_status("maassubscriptions", name, {"phase": "Ready"}).status_code == 422
    item = {"name": "m", "namespace": "llm", "ready": False, "message": "text"}
    for member, extra in (("modelRefStatuses", {}), ("tokenRateLimitStatuses", {"model": "m"})):
        for reason in REASONS:
            entries = [item | extra | {"reason": reason}]
            kept = kinds.set_status("maassubscriptions", name, {member: entries})
            assert (kept.status_code, kept.json()["status"][member]) == (200, entries)
        assert kinds.set_status("maassubscriptions", name, {member: [item | {"reason": "Other"}]}).status_code == 422


@pytest.mark.row("MAAS-CRD-008", "MAAS-CRD-025", "MAAS-CRD-050", "MAAS-CRD-066", "MAAS-CRD-085", "MAAS-CRD-095")
@pytest.mark.parametrize(
    ("plural", "columns"),
    [
        ("maasmodelrefs", "PHASE ENDPOINT HTTPROUTE GATEWAY AGE"),
        ("maasauthpolicies", "PHASE AGE AUTHPOLICIES*"),
        ("maassubscriptions", "PHASE PRIORITY AGE"),
        ("externalmodels", "PROVIDER TARGETMODEL ENDPOINT PHASE AGE"),
        ("inference/externalmodels", "PHASE AGE"),
        ("inference/externalproviders", "PROVIDER ENDPOINT PHASE AGE"),
        ("aitenants", "READY TENANT_NAMESPACE GATEWAY AGE"),
        ("maastenantconfigs", "READY REASON AGE INFRANAMESPACE*"),
    ],
)
def test_columns(kinds: Kinds, plural: str, columns: str) -> None:
    expected = [(name.rstrip("*").replace("_", " "), 1 if name.endswith("*") else 0) for name in columns.split()]
    assert kinds.columns(plural) == expected


@pytest.mark.row("MAAS-CRD-008")
def test_columns_show_the_objects_values(kinds: Kinds) -> None:
    name = kinds.created("maasmodelrefs")["metadata"]["name"]
    status = {"phase": "Ready", "endpoint": "https://e", "httpRouteName": "r", "httpRouteGatewayName": "g"}
    kinds.set_status("maasmodelrefs", name, status).raise_for_status()
    table = kinds.client.get(
        f"{kinds.path('maasmodelrefs')}/{name}", headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    )
    assert table.json()["rows"][0]["cells"][:5] == [name, "Ready", "https://e", "r", "g"]


@pytest.mark.row("MAAS-CRD-007", "MAAS-CRD-094")
@pytest.mark.parametrize(
    "plural", ["maasmodelrefs", "maasauthpolicies", "maassubscriptions", "aitenants", "externalmodels"]
)
def test_status_is_a_subresource(kinds: Kinds, plural: str) -> None:
    created = kinds.created(plural, {"status": {"phase": "Pending"}})
    assert "status" not in created
