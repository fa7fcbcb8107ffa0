"""Watches: the objects of a kind as the API server has them, kept current, with one call when anything changed."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.generic_resource import create_global_resource, create_namespaced_resource

from harness.simulator.gateway.plan.gatewayapi import Key, Object, key
from harness.simulator.gateway.plan.snapshot import Snapshot
from harness.simulator.holdback import HoldBack

LOG = logging.getLogger("gateway.watch")
RETRY_SECONDS = 0.5
GATEWAY_API, KUADRANT = "gateway.networking.k8s.io", "kuadrant.io"
INFERENCE, MAAS = "inference.opendatahub.io", "maas.opendatahub.io"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind to watch and the field of the snapshot it fills."""

    slot: str
    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    def resource(self) -> Any:
        """lightkube's resource class for it."""
        return resource_class(self)


@cache
def resource_class(kind: Kind) -> Any:
    """The one class that lightkube allows per kind and process."""
    create = create_namespaced_resource if kind.namespaced else create_global_resource
    return create(kind.group, kind.version, kind.kind, kind.plural)


KINDS = (
    Kind("gateways", GATEWAY_API, "v1", "Gateway", "gateways"),
    Kind("gateway_classes", GATEWAY_API, "v1", "GatewayClass", "gatewayclasses", namespaced=False),
    Kind("routes", GATEWAY_API, "v1", "HTTPRoute", "httproutes"),
    Kind("reference_grants", GATEWAY_API, "v1beta1", "ReferenceGrant", "referencegrants"),
    Kind("services", "", "v1", "Service", "services"),
    Kind("endpoint_slices", "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    Kind("namespaces", "", "v1", "Namespace", "namespaces", namespaced=False),
    Kind("secrets", "", "v1", "Secret", "secrets"),
    Kind("auth_policies", KUADRANT, "v1", "AuthPolicy", "authpolicies"),
    Kind("token_policies", KUADRANT, "v1alpha1", "TokenRateLimitPolicy", "tokenratelimitpolicies"),
    Kind("telemetry_policies", f"extensions.{KUADRANT}", "v1alpha1", "TelemetryPolicy", "telemetrypolicies"),
    Kind("external_models", INFERENCE, "v1alpha1", "ExternalModel", "externalmodels"),
    Kind("external_providers", INFERENCE, "v1alpha1", "ExternalProvider", "externalproviders"),
    Kind("legacy_external_models", MAAS, "v1alpha1", "ExternalModel", "externalmodels"),
)


@dataclass(slots=True)
class Watch:
    """One kind. `synced` is set after the first complete list, also when the server does not know the kind (yet)."""

    kind: Kind
    changed: Callable[[], None]
    objects: dict[Key, Object] = field(default_factory=dict)
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    writes: HoldBack[Key, tuple[str, Object]] = field(init=False)

    def __post_init__(self) -> None:
        self.writes = HoldBack(self._take)

    async def run(self, client: AsyncClient) -> None:
        """List, then watch; on any break list again. Never returns."""
        resource = self.kind.resource()
        while True:
            try:
                version = await self._list(client, resource)
                await self._follow(client, resource, version)
            except ApiError as error:
                if error.status.code == httpx2.codes.NOT_FOUND:
                    self.synced.set()
                elif error.status.code != httpx2.codes.GONE:
                    LOG.warning("watching %s: the API server answered %s", self.kind.plural, error.status.code)
            except (httpx2.HTTPError, OSError) as error:
                LOG.warning("watching %s: %s", self.kind.plural, type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)

    async def _list(self, client: AsyncClient, resource: Any) -> str:
        scope: dict[str, Any] = {"namespace": "*"} if self.kind.namespaced else {}
        answer = client.list(resource, **scope)
        found = {key(item): item async for item in answer}
        if found != self.objects:
            self.objects = found
            self.changed()
        self.synced.set()
        return str(answer.resourceVersion)

    async def _follow(self, client: AsyncClient, resource: Any, version: str) -> None:
        scope: dict[str, Any] = {"namespace": "*"} if self.kind.namespaced else {}
        async for event, item in client.watch(resource, resource_version=version, **scope):
            self.writes.heard(key(item), (event, item))

    def _take(self, news: tuple[str, Object]) -> None:
        event, item = news
        if event == "DELETED":
            self.objects.pop(key(item), None)
            self.changed()
        elif event in ("ADDED", "MODIFIED") and is_later(item, self.objects.get(key(item))):
            self.objects[key(item)] = item
            self.changed()

    def wrote(self, item: Object) -> None:
        """Take in what the API server answered to a write of a status: no news by itself, unless it shows that somebody else wrote too."""
        known = self.objects.get(key(item))
        if known is None or not is_later(item, known):
            return
        self.objects[key(item)] = item
        if essence(known) != essence(item):
            self.changed()


def is_later(item: Object, known: Object | None) -> bool:
    """Whether a version of an object follows another: versions of one kind compare as numbers (Kubernetes 1.35 promises it)."""
    return known is None or version_of(item) > version_of(known)


def version_of(item: Object) -> int:
    """The version of an object."""
    return int(item["metadata"].get("resourceVersion") or 0)


def essence(item: Object) -> dict[str, Any]:
    """An object without its status, and without what each write of a status moves."""
    metadata = {
        name: value for name, value in item["metadata"].items() if name not in ("resourceVersion", "managedFields")
    }
    return {**{name: value for name, value in item.items() if name != "status"}, "metadata": metadata}


class Cluster:
    """All watches together."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.dirty = asyncio.Event()
        self._watches = tuple(Watch(kind, self.dirty.set) for kind in KINDS)

    def start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Begin to watch."""
        return [group.create_task(watch.run(self.client)) for watch in self._watches]

    async def synced(self) -> None:
        """Wait until every kind was listed once."""
        await asyncio.gather(*(watch.synced.wait() for watch in self._watches))

    def of(self, slot: str) -> Watch:
        """The watch that fills a field of the snapshot."""
        return next(watch for watch in self._watches if watch.kind.slot == slot)

    def snapshot(self) -> Snapshot:
        """The objects as they are now."""
        return Snapshot(**{watch.kind.slot: dict(watch.objects) for watch in self._watches})
