"""Whom an ExternalName Service stands for: a provider of an external model, with its key, its name for the model and its certificate's CA.

The objects decide, never the Service alone: an HTTPRoute that an ExternalModel owns leads to the providers which that model names.
"""

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.simulator.gateway.envoy_config.outside import Credential, Format, Outside, Target
from harness.simulator.gateway.plan.gatewayapi import Key, Object, key, text
from harness.simulator.gateway.plan.snapshot import Snapshot

INFERENCE, LEGACY = "inference.opendatahub.io", "maas.opendatahub.io"
AUTHORITY = "maas-conformance.dev/ca-secret"
"""Annotation of an ExternalProvider, or of a legacy ExternalModel: the Secret whose `ca.crt` signs the provider's certificate."""
KEY_ENTRY, CA_ENTRY = "api-key", "ca.crt"
KEYED = ("apikey", "simple")
COUNTS_ON = "vllm"
"""The provider whose streams state usage in every event when asked to; others refuse a request that asks for it."""


class UnusableBackendError(Exception):
    """A provider cannot be called; the text says what is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Access:
    """What is known of one provider of one model. `key` is the text of the header that carries the provider's key."""

    outside: Outside
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Terms:
    """One provider as the objects describe it: `owner` is the object with its endpoint and annotations."""

    owner: Object
    provider: str
    model: str
    format: Format
    auth: str
    secret: str
    path: str = ""


def access(route: Object, index: int, service: Object, snapshot: Snapshot) -> Access | None:
    """Whom backendRef `index` of a route leads to; None for a route that no external model owns. Raises UnusableBackendError."""
    owner = next(
        (ref for ref in route["metadata"].get("ownerReferences") or () if ref.get("kind") == "ExternalModel"), None
    )
    if owner is None:
        return None
    group, place = str(owner["apiVersion"]).partition("/")[0], (key(route)[0], str(owner["name"]))
    found = inference(place, index, key(service)[1], snapshot) if group == INFERENCE else legacy(place, snapshot)
    host = str(service["spec"]["externalName"])
    if host.lower() != str(found.owner["spec"]["endpoint"]).lower():
        raise UnusableBackendError(
            f"the Service {text(key(service))} leads to {host}, the provider is {found.owner['spec']['endpoint']}"
        )
    if found.auth not in KEYED:
        raise UnusableBackendError(
            f"authentication of type {found.auth} is not known here, expected {' or '.join(KEYED)}"
        )
    header = "x-api-key" if found.format == "messages" else "authorization"
    secret = (place[0], found.secret)
    outside = Outside(
        host,
        authority(found.owner, snapshot),
        Credential(f"{text(secret)}/{header}", header),
        Target(found.model, found.format, found.path, found.provider.lower() == COUNTS_ON),
    )
    value = provider_key(secret, snapshot)
    return Access(outside, value if header == "x-api-key" else f"Bearer {value}")


def inference(place: Key, index: int, service: str, snapshot: Snapshot) -> Terms:
    """Terms of the inference group: the reference at the backend's own place, else the first one that names the provider."""
    model = snapshot.external_models.get(place)
    references: list[Any] = list((model or {}).get("spec", {}).get("externalProviderRefs") or ())
    at = [item for item in references[index : index + 1] if item["ref"]["name"] == service]
    chosen = next(iter([*at, *(item for item in references if item["ref"]["name"] == service)]), None)
    provider = snapshot.external_providers.get((place[0], service))
    if chosen is None or provider is None:
        raise UnusableBackendError(f"the ExternalModel {text(place)} names no ExternalProvider {service} that exists")
    auth: Mapping[str, Any] = chosen.get("auth") or provider["spec"]["auth"]
    kind: Format = "messages" if chosen["apiFormat"] == "messages" else "openai"
    return Terms(
        provider,
        str(provider["spec"]["provider"]),
        str(chosen["targetModel"]),
        kind,
        str(auth["type"]),
        str((auth.get("secretRef") or {}).get("name") or ""),
        str(chosen.get("path") or ""),
    )


def legacy(place: Key, snapshot: Snapshot) -> Terms:
    """Terms of the legacy group, which knows no format: Anthropic's is that of its provider."""
    model = snapshot.legacy_external_models.get(place)
    if model is None:
        raise UnusableBackendError(f"the ExternalModel {text(place)} does not exist")
    spec = model["spec"]
    kind: Format = "messages" if str(spec["provider"]).lower() == "anthropic" else "openai"
    secret = str(spec["credentialRef"]["name"])
    return Terms(model, str(spec["provider"]), str(spec["targetModel"]), kind, "apikey", secret)


def provider_key(secret: Key, snapshot: Snapshot) -> str:
    """The key in a Secret. Raises UnusableBackendError where there is none, or none that a header can carry."""
    found = entry(secret, KEY_ENTRY, snapshot).strip()
    if not found or not found.isascii() or not found.isprintable():
        raise UnusableBackendError(f"the Secret {text(secret)} holds no key of printable ASCII in {KEY_ENTRY}")
    return found


def authority(owner: Object, snapshot: Snapshot) -> str:
    """PEM of the CA that an object names; empty where it names none. Raises UnusableBackendError."""
    name = (owner["metadata"].get("annotations") or {}).get(AUTHORITY)
    return entry((key(owner)[0], str(name)), CA_ENTRY, snapshot) if name else ""


def entry(secret: Key, name: str, snapshot: Snapshot) -> str:
    """The text of one entry of a Secret. Raises UnusableBackendError, never with a part of it."""
    data = (snapshot.secrets.get(secret) or {}).get("data") or {}
    if name not in data:
        raise UnusableBackendError(f"expected a Secret {text(secret)} with an entry {name}")
    try:
        return base64.b64decode(data[name], validate=True).decode()
    except (binascii.Error, ValueError):
        raise UnusableBackendError(f"the entry {name} of the Secret {text(secret)} is no base64 of a text") from None


def in_cluster(host: str) -> Key | None:
    """Namespace and name of the Service that a cluster's own DNS name means; None for any other name."""
    for suffix in (".svc", ".svc.cluster.local"):
        parts = host.lower().removesuffix(suffix).split(".")
        if host.lower().endswith(suffix) and len(parts) == 2:
            return parts[1], parts[0]
    return None


def refuse_this_machine(host: str) -> None:
    """Addresses and names of the gateway's own machine are no providers: what listens there trusts whoever reaches it.

    Raises UnusableBackendError.
    """
    name = host.lower().rstrip(".")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        if name != "localhost" and not name.endswith(".localhost"):
            return
    raise UnusableBackendError(f"expected the DNS name of a provider, came {host}")
