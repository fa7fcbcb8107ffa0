"""Valid objects of the project's kinds, and what becomes of them when a test changes them."""

import copy
from dataclasses import dataclass
from typing import Any

import httpx

MAAS = "maas.opendatahub.io/v1alpha1"
INFERENCE = "inference.opendatahub.io/v1alpha1"
GATEWAY = "gateway.networking.k8s.io/v1"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"

# A condition as a status may hold it.
CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "Reconciled",
    "message": "",
    "lastTransitionTime": "2026-08-21T10:00:00Z",
}

_REFERENCE = {"name": "m", "namespace": "llm"}
_LIMITED = _REFERENCE | {"tokenRateLimits": [{"limit": 100, "window": "1m"}]}

# plural -> (API version, kind, name or None for any, spec)
VALID: dict[str, tuple[str, str, str | None, dict[str, Any]]] = {
    "maasmodelrefs": (MAAS, "MaaSModelRef", None, {"modelRef": {"kind": "LLMInferenceService", "name": "m"}}),
    "maasauthpolicies": (MAAS, "MaaSAuthPolicy", None, {"modelRefs": [_REFERENCE], "subjects": {"users": ["alice"]}}),
    "maassubscriptions": (MAAS, "MaaSSubscription", None, {"owner": {"users": ["alice"]}, "modelRefs": [_LIMITED]}),
    "externalmodels": (
        MAAS,
        "ExternalModel",
        None,
        {
            "provider": "openai",
            "targetModel": "gpt-4o",
            "endpoint": "api.example.com",
            "credentialRef": {"name": "key"},
        },
    ),
    "aitenants": (MAAS, "AITenant", None, {}),
    "maastenantconfigs": (MAAS, "MaasTenantConfig", "default-tenant", {}),
    "tenants": (MAAS, "Tenant", "default-tenant", {}),
    "inference/externalmodels": (
        INFERENCE,
        "ExternalModel",
        None,
        {"externalProviderRefs": [{"ref": {"name": "p"}, "targetModel": "gpt-4o", "apiFormat": "openai"}]},
    ),
    "inference/externalproviders": (
        INFERENCE,
        "ExternalProvider",
        None,
        {"provider": "openai", "endpoint": "api.example.com", "auth": {"type": "apikey"}},
    ),
    "httproutes": (
        GATEWAY,
        "HTTPRoute",
        None,
        {"parentRefs": [{"name": "gw"}], "rules": [{"backendRefs": [{"name": "s", "port": 80}]}]},
    ),
    "gateways": (
        GATEWAY,
        "Gateway",
        None,
        {"gatewayClassName": "c", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    ),
    "tokenratelimitpolicies": (
        "kuadrant.io/v1alpha1",
        "TokenRateLimitPolicy",
        None,
        {
            "targetRef": {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "r"},
            "limits": {
                "a": {"rates": [{"limit": 1, "window": "1m"}], "counters": [{"expression": "auth.identity.userid"}]}
            },
        },
    ),
    "authpolicies": (
        "kuadrant.io/v1",
        "AuthPolicy",
        None,
        {
            "targetRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"},
            "defaults": {"rules": {"authentication": {"a": {"plain": {"selector": "x"}}}}},
        },
    ),
    "llminferenceservices": ("serving.kserve.io/v1alpha1", "LLMInferenceService", None, {"model": {"uri": "hf://a/b"}}),
}


@dataclass(slots=True)
class Kinds:
    """A namespace. Edits are `{"spec.modelRef.kind": value}`; the value `REMOVE` takes the member away."""

    client: httpx.Client
    namespace: str
    _count: int = 0

    def body(self, plural: str, edits: dict[str, Any] | None = None, name: str | None = None) -> dict[str, Any]:
        version, kind, fixed, spec = VALID[plural]
        self._count += 1
        metadata = {"name": name or fixed or f"object-{self._count}"}
        document = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": copy.deepcopy(spec)}
        for path, value in (edits or {}).items():
            _edit(document, path.split("."), value)
        return document

    def create(
        self, plural: str, edits: dict[str, Any] | None = None, name: str | None = None, **query: str
    ) -> httpx.Response:
        return self.client.post(self.path(plural), json=self.body(plural, edits, name), params=query)

    def created(self, plural: str, edits: dict[str, Any] | None = None, name: str | None = None) -> dict[str, Any]:
        response = self.create(plural, edits, name)
        assert response.status_code == 201, response.text
        return response.json()

    def refused(self, plural: str, edits: dict[str, Any], name: str | None = None) -> str:
        """The message of the 422; the same object without the edits must be accepted, or the test shows nothing."""
        control = self.create(plural, dryRun="All")
        assert control.status_code == 201, control.text
        response = self.create(plural, edits, name)
        assert response.status_code == 422, response.text
        assert response.json()["reason"] == "Invalid"
        return response.json()["message"]

    def set_status(self, plural: str, name: str, status: dict[str, Any]) -> httpx.Response:
        path = f"{self.path(plural)}/{name}/status"
        headers = {"Content-Type": "application/merge-patch+json"}
        return self.client.patch(path, json={"status": status}, headers=headers)

    def columns(self, plural: str) -> list[tuple[str, int]]:
        """Name and priority of each column after the object's name."""
        table = self.client.get(self.path(plural), headers={"Accept": TABLE}).json()
        assert table["columnDefinitions"][0]["name"] == "Name"
        return [(column["name"].upper(), column.get("priority", 0)) for column in table["columnDefinitions"][1:]]

    def path(self, plural: str, version: str | None = None) -> str:
        return f"/apis/{version or VALID[plural][0]}/namespaces/{self.namespace}/{plural.rpartition('/')[2]}"


REMOVE = object()


def _edit(target: Any, path: list[str], value: Any) -> None:
    head, rest = (int(path[0]) if isinstance(target, list) else path[0]), path[1:]
    if rest:
        if isinstance(target, dict):
            target.setdefault(head, {})
        _edit(target[head], rest, value)
    elif value is REMOVE:
        del target[head]
    else:
        target[head] = value
