"""Objects as an API server would return them, for tests of pure functions."""

from typing import Any

from harness.simulator.controllers.runtime.manifest import Key


def made(kind: str, name: str, namespace: str = "llm", **fields: Any) -> dict[str, Any]:
    """An object of generation 1."""
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{kind}-{namespace}-{name}", "generation": 1}
    metadata |= fields.pop("metadata", {})
    return {
        "apiVersion": fields.pop("api", "v1"),
        "kind": kind,
        "metadata": {"resourceVersion": "1"} | metadata,
    } | fields


def service(name: str = "m1", model: str | None = "facebook/opt-125m", **spec: Any) -> dict[str, Any]:
    """An LLMInferenceService on the MaaS gateway."""
    refs = [{"name": "maas-default-gateway", "namespace": "openshift-ingress"}]
    wanted = {
        "model": {"uri": "hf://org/weights"} | ({"name": model} if model else {}),
        "router": {"route": {}, "gateway": {"refs": refs}},
    }
    return made("LLMInferenceService", name, api="serving.kserve.io/v1alpha2", spec=wanted | spec)


def subscription(
    name: str, *models: tuple[Key, list[dict[str, Any]]], namespace: str = "subs", priority: int = 0
) -> dict[str, Any]:
    """A MaaSSubscription with limits for each model."""
    refs = [{"name": key.name, "namespace": key.namespace, "tokenRateLimits": rates} for key, rates in models]
    return made("MaaSSubscription", name, namespace, spec={"owner": {}, "modelRefs": refs, "priority": priority})


def ai_tenant(name: str = "blue", namespace: str = "ai-tenants", **spec: Any) -> dict[str, Any]:
    """An AITenant."""
    return made("AITenant", name, namespace, spec=spec)


def said(*conditions: str, generation: int = 1) -> list[dict[str, Any]]:
    """Conditions of a type each, `-Type` for False."""
    return [
        {
            "type": text.lstrip("-"),
            "status": "False" if text.startswith("-") else "True",
            "reason": "Because",
            "message": "",
            "observedGeneration": generation,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for text in conditions
    ]
