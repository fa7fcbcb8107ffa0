"""Filling a fresh Kubernetes API: the platform's own objects, the world, and the address of maas-api."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from harness.kube.cluster import Cluster
from harness.kube.documents import Document, read_documents
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Expectation
from harness.platforms.data import data_folder
from harness.platforms.embedded.topology import REALM
from harness.platforms.gpu import load_profile, render
from harness.platforms.target import TargetOptions

SERVED: Final = "maas-conformance.dev/Served"
SMALL_PROFILE: Final = Path("qwen3-0.6b")
DEFAULT_TENANT: Final = Ref("maas.opendatahub.io/v1alpha1", "AITenant", "models-as-a-service", "ai-tenants")
MAAS_API: Final = Ref("v1", "Service", "maas-api", "odh-ai-gateway-infra")


def base_documents() -> list[Document]:
    """Namespaces, gateways, the default tenant and the Service of maas-api: what an installer puts there before anybody's models."""
    return read_documents([data_folder("cluster") / "base"])


def world_documents(options: TargetOptions) -> list[Document]:
    """The manifests of the named worlds, or of the default one, and the model of a GPU profile.

    The default world's models have no weights, so with a real vLLM a small model of a profile takes its place.
    """
    profile = options.gpu_profile
    documents: list[Document] = []
    if options.worlds or options.backend == "mock":
        documents = read_documents(options.worlds or [data_folder("worlds") / "default"])
    else:
        profile = profile or SMALL_PROFILE
    if profile is None:
        return documents
    return [
        *documents,
        *(Document(manifest, profile, index) for index, manifest in enumerate(render(load_profile(profile)), 1)),
    ]


def realm_url(base: str) -> str:
    """The URL of the default tenant's realm at the platform's own issuer."""
    return f"{base}/realms/{REALM}"


def trusting(documents: Sequence[Document], issuer: str, client: str = REALM) -> list[Document]:
    """The documents, the default tenant trusting this issuer for this client unless it names one itself."""

    def spec_of(manifest: Manifest) -> dict[str, Any]:
        return {"oidc": {"issuerUrl": issuer, "clientId": client}, **(manifest.get("spec") or {})}

    return [
        replace(document, manifest={**document.manifest, "spec": spec_of(document.manifest)})
        if Ref.of(document.manifest) == DEFAULT_TENANT
        else document
        for document in documents
    ]


def database_secret(url: str) -> Document:
    """What the management APIs of tenants are told of the database: the one of the default tenant's, where keys carry their tenant."""
    manifest: Manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "maas-db-config", "namespace": MAAS_API.namespace},
        "data": {"DB_CONNECTION_URL": base64.b64encode(url.encode()).decode()},
    }
    return Document(manifest, Path("embedded"), 1)


PLACEHOLDER: Final = "192.0.2.1"
"""A Kubernetes API refuses loopback addresses in a slice; the gateway stand-in reads the annotation."""


def maas_api_slice(url: str) -> Manifest:
    """The EndpointSlice through which the gateway finds maas-api, a process beside the API rather than a Pod."""
    address = urlsplit(url)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{MAAS_API.name}-embedded",
            "namespace": MAAS_API.namespace,
            "annotations": {"maas-conformance.dev/address": str(address.hostname)},
            "labels": {
                "kubernetes.io/service-name": MAAS_API.name,
                "endpointslice.kubernetes.io/managed-by": "maas-conformance",
            },
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": address.port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [PLACEHOLDER], "conditions": {"ready": True}}],
    }


def announce_maas_api(cluster: Cluster, url: str) -> None:
    """Write where maas-api answers."""
    cluster.apply(maas_api_slice(url))


def maas_api_served() -> Expectation:
    """The gateway has the address of maas-api: it says so on the route that the MaaS controller wrote."""
    ref = Ref("gateway.networking.k8s.io/v1", "HTTPRoute", "maas-api-route", MAAS_API.namespace)

    def holds(route: Manifest | None) -> bool:
        parents = ((route or {}).get("status") or {}).get("parents") or []
        said = [entry for parent in parents for entry in parent.get("conditions") or [] if entry.get("type") == SERVED]
        return bool(said) and all(entry.get("status") == "True" for entry in said)

    return Expectation(ref, f"{SERVED}=True", holds)
