"""One valid object of each MaaS kind, small enough that a check can break one rule of its schema alone."""

from typing import Any, Final

from harness.kube.manifest import Manifest
from harness.platforms.platform import Platform
from harness.world.governance import MAAS

INFERENCE: Final = "inference.opendatahub.io/v1alpha1"


def named(
    kind: str, namespace: str | None, spec: dict[str, Any], *, name: str = "mc-schema", group: str = MAAS
) -> Manifest:
    """An object of that kind; `namespace` None is for kinds of the whole cluster."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": spec}


def model_ref(platform: Platform) -> Manifest:
    """A MaaSModelRef."""
    return named("MaaSModelRef", platform.namespaces.models, {"modelRef": {"kind": "LLMInferenceService", "name": "m"}})


def policy(platform: Platform) -> Manifest:
    """A MaaSAuthPolicy for a group."""
    spec = {"modelRefs": [{"name": "m", "namespace": "llm"}], "subjects": {"groups": [{"name": "g"}]}}
    return named("MaaSAuthPolicy", platform.namespaces.subscriptions, spec)


def subscription(platform: Platform) -> Manifest:
    """A MaaSSubscription of a group, with one limit."""
    refs = [{"name": "m", "namespace": "llm", "tokenRateLimits": [{"limit": 100, "window": "1m"}]}]
    spec = {"owner": {"groups": [{"name": "g"}]}, "modelRefs": refs}
    return named("MaaSSubscription", platform.namespaces.subscriptions, spec)


def tenant(platform: Platform) -> Manifest:
    """An AITenant with a gateway and an issuer."""
    spec = {"gateway": {"name": "mc-gateway"}, "oidc": {"issuerUrl": "https://id.example", "clientId": "c"}}
    return named("AITenant", "ai-tenants", spec)


def external_model(platform: Platform) -> Manifest:
    """An ExternalModel of the inference group, with one provider."""
    ref = {
        "ref": {"name": "provider"},
        "targetModel": "t",
        "apiFormat": "openai",
        "path": "/v1/chat/completions",
        "auth": {"type": "apikey", "secretRef": {"name": "s"}},
    }
    return named("ExternalModel", platform.namespaces.models, {"externalProviderRefs": [ref]}, group=INFERENCE)


def provider(platform: Platform) -> Manifest:
    """An ExternalProvider."""
    spec = {"provider": "openai", "endpoint": "api.example.com", "auth": {"type": "apikey", "secretRef": {"name": "s"}}}
    return named("ExternalProvider", platform.namespaces.models, spec, group=INFERENCE)


def legacy_model(platform: Platform) -> Manifest:
    """An ExternalModel of the older group."""
    spec = {"provider": "openai", "targetModel": "t", "endpoint": "api.example.com", "credentialRef": {"name": "s"}}
    return named("ExternalModel", platform.namespaces.models, spec)
