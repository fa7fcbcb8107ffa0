"""A namespace and names of a test's own, and the objects it needs in them."""

from typing import Any
from uuid import uuid4

from harness.simulator.controllers.runtime.kind import (
    DEPLOYMENT,
    LLM_INFERENCE_SERVICE,
    MAAS_AUTH_POLICY,
    MAAS_MODEL_REF,
    MAAS_SUBSCRIPTION,
    NAMESPACE,
    TOKEN_RATE_LIMIT_POLICY,
)
from harness.simulator.controllers.runtime.manifest import Key, Manifest
from tests.controllers.client import Client

TENANT = "models-as-a-service"
MAAS_GATEWAY = {"name": "maas-default-gateway", "namespace": "openshift-ingress"}


class World:
    """Writes objects whose names no other test has."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.token = uuid4().hex[:8]
        self.namespace = f"ns-{self.token}"
        client.create(NAMESPACE, self.namespace)

    def name(self, text: str) -> str:
        return f"{text}-{self.token}"

    def service(self, name: str, *, gateways: list[dict[str, str]] | None = None, **fields: Any) -> Key:
        """An LLMInferenceService, by default on the MaaS gateway."""
        refs = [MAAS_GATEWAY] if gateways is None else gateways
        spec = {
            "model": {"uri": "hf://org/w", "name": f"org/{name}"},
            "replicas": 1,
            "router": {"route": {}, "gateway": {"refs": refs}},
        }
        self.client.create(LLM_INFERENCE_SERVICE, name, self.namespace, spec=spec | fields.pop("spec", {}), **fields)
        return Key(self.namespace, name)

    def available(self, service: str, available: str = "True") -> None:
        """Say of a model's Deployment what a kubelet would."""
        name = f"{service}-kserve"
        found = self.client.until(DEPLOYMENT, name, self.namespace, bool)
        assert found is not None
        condition = {
            "type": "Available",
            "status": available,
            "reason": "Test",
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        observed = found["metadata"]["generation"]
        status = {"observedGeneration": observed, "availableReplicas": 1, "conditions": [condition]}
        self.client.patch(DEPLOYMENT, name, {"status": status}, self.namespace, status=True)

    def model(self, name: str, **fields: Any) -> Key:
        """A MaaSModelRef to the LLMInferenceService of the same name."""
        spec = {"modelRef": {"kind": "LLMInferenceService", "name": name}} | fields.pop("spec", {})
        self.client.create(MAAS_MODEL_REF, name, self.namespace, spec=spec, **fields)
        return Key(self.namespace, name)

    def subscribe(self, name: str, *models: Key, limit: int = 100, window: str = "1m", **fields: Any) -> str:
        """A MaaSSubscription; returns its name."""
        rates = [{"limit": limit, "window": window}]
        refs = [{"name": key.name, "namespace": key.namespace, "tokenRateLimits": rates} for key in models]
        spec = {"owner": {"groups": [{"name": "everyone"}]}, "modelRefs": refs} | fields.pop("spec", {})
        namespace = fields.pop("namespace", TENANT)
        self.client.create(MAAS_SUBSCRIPTION, self.name(name), namespace, spec=spec, **fields)
        return self.name(name)

    def allow(self, name: str, *models: Key, namespace: str = TENANT) -> str:
        """A MaaSAuthPolicy; returns its name."""
        refs = [{"name": key.name, "namespace": key.namespace} for key in models]
        spec = {"subjects": {"groups": [{"name": "everyone"}]}, "modelRefs": refs}
        self.client.create(MAAS_AUTH_POLICY, self.name(name), namespace, spec=spec)
        return self.name(name)

    def governed(self, name: str = "m1") -> Key:
        """A model that is ready in every respect."""
        key = self.service(name)
        self.model(name)
        self.subscribe("sub", key)
        self.allow("access", key)
        self.available(name)
        self.client.until(MAAS_MODEL_REF, name, self.namespace, phase("Ready"))
        self.client.until(TOKEN_RATE_LIMIT_POLICY, f"maas-trlp-{name}", self.namespace, bool)
        return key


def phase(wanted: str) -> Any:
    """Whether an object is in that phase."""
    return lambda found: found is not None and (found.get("status") or {}).get("phase") == wanted


def condition(kind: str, status: str, reason: str = "") -> Any:
    """Whether a condition has that status (and reason)."""

    def holds(found: Manifest | None) -> bool:
        entries = ((found or {}).get("status") or {}).get("conditions") or ()
        return any(
            entry["type"] == kind
            and entry["status"] == status
            and entry.get("reason", "") in (reason, reason or entry.get("reason", ""))
            for entry in entries
        )

    return holds


def gone(found: Manifest | None) -> bool:
    """Whether the object does not exist any more."""
    return found is None
