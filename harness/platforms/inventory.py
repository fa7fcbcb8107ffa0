"""What a cluster says it has: models, gateways, namespaces. Read from objects, never from what we meant to install."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from harness.kube.cluster import Cluster
from harness.kube.fault import Rejected
from harness.kube.manifest import Manifest
from harness.platforms.platform import ModelHandle, Namespaces

MAAS: Final = "maas.opendatahub.io/v1alpha1"
EXTERNAL: Final = "ExternalModel"
GATEWAY: Final = "gateway.networking.k8s.io/v1"
KUADRANT_AUTH: Final = ("kuadrant.io/v1", "AuthPolicy")
KUADRANT_TOKENS: Final = ("kuadrant.io/v1alpha1", "TokenRateLimitPolicy")
MODEL_SERVICE_VERSIONS: Final = ("serving.kserve.io/v1alpha1", "serving.kserve.io/v1alpha2")
MAAS_GATEWAY: Final = "maas-default-gateway"


def objects_or_none(cluster: Cluster, api_version: str, kind: str, **where: Any) -> list[Manifest]:
    """Objects of a kind; none where the cluster lacks the kind or does not let us look."""
    try:
        return cluster.objects(api_version, kind, **where)
    except Rejected as error:
        if error.status in (403, 404):
            return []
        raise


def model_service_version(cluster: Cluster) -> str | None:
    """The apiVersion under which LLMInferenceServices are served; None without KServe."""
    return next((version for version in MODEL_SERVICE_VERSIONS if cluster.knows(version, "LLMInferenceService")), None)


def governed_models(cluster: Cluster) -> tuple[ModelHandle, ...]:
    """Every MaaSModelRef that is Ready and runs on the platform, by namespace and name.

    Models of providers outside are left out: checks spend as they like, and nobody asked for a provider's bill.

    The path is that of the LLMInferenceService's own URL (a MaaSModelRef's endpoint is normally the gateway's root), and the name that a
    path-style body carries is its `spec.model.name`.
    """
    services = {
        (service["metadata"]["namespace"], service["metadata"]["name"]): service for service in _services(cluster)
    }
    references = cluster.objects(MAAS, "MaaSModelRef")
    inside = [reference for reference in references if reference["spec"]["modelRef"].get("kind") != EXTERNAL]
    handles = [_handle(reference, services) for reference in inside if _phase(reference) == "Ready"]
    return tuple(sorted(handles, key=lambda handle: (handle.namespace, handle.name)))


def _services(cluster: Cluster) -> list[Manifest]:
    version = model_service_version(cluster)
    return objects_or_none(cluster, version, "LLMInferenceService") if version else []


def _handle(reference: Manifest, services: Mapping[tuple[str, str], Manifest]) -> ModelHandle:
    metadata, status = reference["metadata"], reference.get("status") or {}
    target = reference["spec"]["modelRef"]["name"]
    service = services.get((metadata["namespace"], target)) or {}
    served = ((service.get("spec") or {}).get("model") or {}).get("name") or target
    urls = ((service.get("status") or {}).get("url"), status.get("endpoint"))
    paths = (urlsplit(str(url or "")).path.rstrip("/") for url in urls)
    path = next(filter(None, paths), f"/{metadata['namespace']}/{target}")
    return ModelHandle(
        name=metadata["name"],
        namespace=metadata["namespace"],
        model_id=status.get("resolvedModelAlias") or metadata["name"],
        path=path,
        served_name=served,
    )


def _phase(manifest: Mapping[str, Any]) -> str | None:
    phase: str | None = (manifest.get("status") or {}).get("phase")
    return phase


def namespaces(cluster: Cluster, models: Sequence[ModelHandle]) -> Namespaces:
    """Where this platform keeps its objects, by looking for them; the upstream installer's names where nothing is found."""
    known = Namespaces()
    deployments = objects_or_none(cluster, "apps/v1", "Deployment")
    services = objects_or_none(cluster, "v1", "Service")
    gateways = objects_or_none(cluster, GATEWAY, "Gateway")
    return Namespaces(
        control=_home(deployments, "maas-controller") or known.control,
        infra=_home(deployments, "maas-api") or _home(services, "maas-api") or known.infra,
        subscriptions=_commonest(cluster, "MaaSSubscription")
        or _commonest(cluster, "MaaSAuthPolicy")
        or known.subscriptions,
        models=_most(model.namespace for model in models) or known.models,
        gateway=_home(gateways, MAAS_GATEWAY) or known.gateway,
    )


def _home(objects: Iterable[Manifest], name: str) -> str | None:
    return next((entry["metadata"].get("namespace") for entry in objects if entry["metadata"]["name"] == name), None)


def _commonest(cluster: Cluster, kind: str) -> str | None:
    return _most(entry["metadata"]["namespace"] for entry in objects_or_none(cluster, MAAS, kind))


def _most(names: Iterable[str]) -> str | None:
    counted = Counter(names).most_common(1)
    return counted[0][0] if counted else None


def standard_gateway_url(cluster: Cluster) -> str | None:
    """The base URL of a gateway other than the MaaS one: as a model that it serves says, else as the Gateway object says."""
    for service in _services(cluster):
        references = ((service["spec"].get("router") or {}).get("gateway") or {}).get("refs") or []
        parts = urlsplit(str((service.get("status") or {}).get("url") or ""))
        if parts.netloc and MAAS_GATEWAY not in [reference.get("name") for reference in references]:
            return f"{parts.scheme}://{parts.netloc}"
    gateways = objects_or_none(cluster, GATEWAY, "Gateway")
    return next(
        filter(None, (_url_of(gateway) for gateway in gateways if gateway["metadata"]["name"] != MAAS_GATEWAY)), None
    )


def _url_of(gateway: Manifest) -> str | None:
    addresses = (gateway.get("status") or {}).get("addresses") or []
    listeners = (gateway.get("spec") or {}).get("listeners") or []
    listener = next((entry for entry in listeners if entry.get("protocol") in ("HTTP", "HTTPS")), None)
    if listener is None or not addresses:
        return None
    host = listener.get("hostname") or addresses[0]["value"]
    return f"{listener['protocol'].lower()}://{host}:{listener['port']}"
