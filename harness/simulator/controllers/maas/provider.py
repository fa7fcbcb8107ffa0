"""Models of providers outside the cluster, as pure functions: the Services and the HTTPRoute that lead to them."""

from dataclasses import dataclass
from typing import Any

from harness.simulator.controllers.kserve.names import HEADER
from harness.simulator.controllers.kserve.route import GROUP
from harness.simulator.controllers.maas.external import legacy_name
from harness.simulator.controllers.maas.names import MANAGED_BY
from harness.simulator.controllers.runtime.manifest import Key, Manifest, annotations, owner_reference, spec

MANAGER = "maas-external-model-reconciler"
MODEL_LABEL = "maas.opendatahub.io/external-model"
PROVIDER_LABEL = "maas.opendatahub.io/external-provider"
PORT = "maas.opendatahub.io/port"
TLS = "maas.opendatahub.io/tls"
TIMEOUT = "300s"
KEYED = ("apikey", "simple")
"""Forms of authentication that a key in a header satisfies; the others sign requests or fetch tokens, which no gateway does here."""


class InvalidProviderError(ValueError):
    """An annotation cannot be used; the text says which, what came and what was expected."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider answers, and the Service that stands for it."""

    service: str
    host: str
    port: int = 443
    tls: bool = True
    weight: int = 1


def described(owner: Manifest, service: str, weight: int = 1) -> Provider:
    """The provider that an object with `spec.endpoint` describes. Raises InvalidProviderError."""
    notes = annotations(owner)
    port, tls = notes.get(PORT, "443"), notes.get(TLS, "true").lower()
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise InvalidProviderError(f"annotation {PORT} is {port!r}, expected a port from 1 to 65535")
    if tls not in ("true", "false"):
        raise InvalidProviderError(f"annotation {TLS} is {tls!r}, expected true or false")
    host = str(spec(owner)["endpoint"]).lower()  # a Service's externalName has no capitals
    return Provider(service, host, int(port), tls == "true", weight)


def authenticated(auth: dict[str, Any], provider: str) -> None:
    """Whether the gateway can authenticate to a provider. Raises InvalidProviderError, naming the provider."""
    if auth["type"] not in KEYED:
        raise InvalidProviderError(
            f"ExternalProvider {provider} asks for authentication of type {auth['type']}, expected {' or '.join(KEYED)}"
        )
    if not (auth.get("secretRef") or {}).get("name"):
        raise InvalidProviderError(f"ExternalProvider {provider} names no Secret in auth.secretRef")


def provider_service(owner: Manifest, provider: Provider, model: str = "") -> Manifest:
    """An ExternalName Service; the name of its port says whether the provider is spoken to with TLS.

    Without `model` it is that of a provider that several models may share, and carries the provider's name alone.
    """
    scheme = "https" if provider.tls else "http"
    port = {
        "name": scheme,
        "port": provider.port,
        "targetPort": provider.port,
        "protocol": "TCP",
        "appProtocol": scheme,
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(
            owner, provider.service, {MODEL_LABEL: model} if model else {PROVIDER_LABEL: provider.service}
        ),
        "spec": {"type": "ExternalName", "externalName": provider.host, "ports": [port]},
    }


def service_entry(owner: Manifest, provider: Provider, model: str) -> Manifest:
    """What tells a mesh of the host."""
    protocol = "HTTPS" if provider.tls else "HTTP"
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": _metadata(owner, provider.service, {MODEL_LABEL: model}),
        "spec": {
            "hosts": [provider.host],
            "location": "MESH_EXTERNAL",
            "resolution": "DNS",
            "ports": [{"name": protocol.lower(), "number": provider.port, "protocol": protocol}],
        },
    }


def destination_rule(owner: Manifest, provider: Provider, model: str) -> Manifest:
    """What makes a mesh speak TLS to the host."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": _metadata(owner, provider.service, {MODEL_LABEL: model}),
        "spec": {"host": provider.host, "trafficPolicy": {"tls": {"mode": "SIMPLE"}}},
    }


def external_route(owner: Manifest, name: str, models: list[str], providers: list[Provider], gateway: Key) -> Manifest:
    """By path `/{namespace}/{name}`, rewritten to what the provider knows, and by any of the model's names in the header."""
    model, namespace = owner["metadata"]["name"], owner["metadata"]["namespace"]
    backends = [
        {"group": "", "kind": "Service", "name": one.service, "port": one.port, "weight": one.weight}
        for one in providers
    ]
    host = {"name": "Host", "value": providers[0].host}
    modify = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [host]}}
    rewrite = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}
    header_filters = [modify] if len(providers) == 1 else []
    rules: list[dict[str, Any]] = [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": f"/{namespace}/{model}"}}],
            "filters": [*header_filters, rewrite],
        },
        {
            "matches": [
                {
                    "path": {"type": "PathPrefix", "value": "/"},
                    "headers": [{"type": "Exact", "name": HEADER, "value": value}],
                }
                for value in dict.fromkeys(models)
            ],
            "filters": header_filters,
        },
    ]
    parent = {"group": GROUP, "kind": "Gateway", "name": gateway.name, "namespace": gateway.namespace}
    shared = {"backendRefs": backends, "timeouts": {"request": TIMEOUT}}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "HTTPRoute",
        "metadata": _metadata(owner, name, {MODEL_LABEL: model}),
        "spec": {"parentRefs": [parent], "rules": [rule | shared for rule in rules]},
    }


def legacy_provider(owner: Manifest) -> Provider:
    """The provider of a legacy ExternalModel. Raises InvalidProviderError."""
    return described(owner, legacy_name(owner["metadata"]["name"]))


def _metadata(owner: Manifest, name: str, about: dict[str, str]) -> Manifest:
    return {
        "name": name,
        "namespace": owner["metadata"]["namespace"],
        "labels": {MANAGED_BY: MANAGER, **about},
        "ownerReferences": [owner_reference(owner)],
    }
