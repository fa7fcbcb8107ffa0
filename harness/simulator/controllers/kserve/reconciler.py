"""The KServe stand-in: keeps the parts of each LLMInferenceService as its spec says and its status as the parts are."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from harness.simulator.controllers.kserve.address import LISTENER_URLS, addresses
from harness.simulator.controllers.kserve.names import FINALIZER, deployment_name, is_stopped, route_name
from harness.simulator.controllers.kserve.names import workload_service_name as service_name
from harness.simulator.controllers.kserve.route import (
    GatewayRef,
    gateway_refs,
    has_managed_route,
    http_route,
    not_ready,
    unserved,
)
from harness.simulator.controllers.kserve.status import Observation, Trouble, workload_trouble, written_status
from harness.simulator.controllers.kserve.tier import LABEL, MalformedTiersError, granted_tiers, role, role_binding
from harness.simulator.controllers.kserve.workload import deployment, workload_service
from harness.simulator.controllers.runtime.cluster import Cluster
from harness.simulator.controllers.runtime.condition import find, holds
from harness.simulator.controllers.runtime.controller import Controller, Manager
from harness.simulator.controllers.runtime.event import Recorder
from harness.simulator.controllers.runtime.kind import (
    DEPLOYMENT,
    GATEWAY,
    HTTP_ROUTE,
    LLM_INFERENCE_SERVICE,
    ROLE,
    ROLE_BINDING,
    SERVICE,
    Kind,
)
from harness.simulator.controllers.runtime.manifest import (
    Key,
    Manifest,
    annotations,
    is_controlled_by,
    is_deleting,
    key_of,
    labels,
    spec,
    status,
    timestamp,
)
from harness.simulator.controllers.runtime.store import Change

CHILDREN = (DEPLOYMENT, SERVICE, HTTP_ROUTE, ROLE, ROLE_BINDING)
STANDARD_GATEWAY = GatewayRef("openshift-ingress", "openshift-ai-inference")


@dataclass(frozen=True, slots=True)
class Settings:
    """What an installer would configure."""

    default_gateway: GatewayRef = STANDARD_GATEWAY
    image: str = "maas-conformance/mock-vllm:latest"


class InferenceServiceReconciler:
    """LLMInferenceService → Deployment, Service, HTTPRoute, tier RBAC, status."""

    def __init__(self, cluster: Cluster, recorder: Recorder, settings: Settings) -> None:
        self._cluster = cluster
        self._recorder = recorder
        self._settings = settings

    async def reconcile(self, key: Key) -> float | None:
        """Bring one model to rest."""
        service = self._cluster.store(LLM_INFERENCE_SERVICE).get(key)
        if service is None:
            return None
        if is_deleting(service):
            await self._clean_up(service)
            return None
        service = await self._cluster.add_finalizer(LLM_INFERENCE_SERVICE, service, FINALIZER)
        await self._workload(service)
        gateways = await self._route(service)
        tiers = await self._tiers(service)
        await self._report(service, gateways, tiers)
        return None

    async def _workload(self, service: Manifest) -> None:
        if is_stopped(service):
            await self._drop(DEPLOYMENT, service, deployment_name(service))
            await self._drop(SERVICE, service, service_name(service))
            return
        await self._cluster.apply(DEPLOYMENT, deployment(service, self._settings.image))
        await self._cluster.apply(SERVICE, workload_service(service))

    async def _route(self, service: Manifest) -> Trouble | None:
        """Keep the route; returns why it was left alone, which is so while a gateway that it should attach to is missing."""
        if is_stopped(service) or not has_managed_route(service):
            await self._drop(HTTP_ROUTE, service, route_name(service))
            return None
        wanted = gateway_refs(service, self._settings.default_gateway)
        for gateway in wanted:
            if self._gateway(gateway) is None:
                return Trouble("RefsInvalid", f"Gateway {gateway} does not exist")
        await self._cluster.apply(HTTP_ROUTE, http_route(service, wanted))
        return None

    async def _tiers(self, service: Manifest) -> Trouble | None:
        trouble = None
        try:
            granted = granted_tiers(service)
        except MalformedTiersError as error:
            granted = ()
            trouble = Trouble("InvalidTiers", str(error))
            known = find(status(service).get("conditions"), "TierAccessReady")
            if known is None or known.get("message") != trouble.message:
                self._recorder.record(service, "Warning", trouble.reason, trouble.message)
        for kind, build in ((ROLE, role), (ROLE_BINDING, role_binding)):
            for tier in granted:
                await self._cluster.apply(kind, build(service, tier))
            for child in self._owned(kind, service):
                if labels(child).get(LABEL, "") not in granted:
                    await self._cluster.delete(kind, child)
        return trouble

    async def _report(self, service: Manifest, gateways: Trouble | None, tiers: Trouble | None) -> None:
        key = key_of(service)
        wanted = gateway_refs(service, self._settings.default_gateway)
        named = bool(((spec(service).get("router") or {}).get("gateway") or {}).get("refs"))
        route = self._cluster.store(HTTP_ROUTE).get(Key(key.namespace, route_name(service)))
        routed = has_managed_route(service)
        present = [(ref, found) for ref in wanted if (found := self._gateway(ref)) is not None]
        running = self._cluster.store(DEPLOYMENT).get(Key(key.namespace, deployment_name(service)))
        seen = Observation(
            service=service,
            deployment=running,
            gateways=gateways or self._unprogrammed(present),
            route=gateways or self._route_trouble(route, available=workload_trouble(service, running) is None),
            gateways_named=named,
            routed=routed,
            addresses=addresses(service, present) if routed and not is_stopped(service) else [],
            attached=[ref for ref, _ in present],
            tiers=tiers,
        )
        before = find(status(service).get("conditions"), "Ready") or {}
        written = await self._cluster.write_status(LLM_INFERENCE_SERVICE, service, written_status(seen, timestamp()))
        news = readiness_event(before.get("status"), find(status(written).get("conditions"), "Ready") or {})
        if news is not None:
            self._recorder.record(written, *news)

    async def _clean_up(self, service: Manifest) -> None:
        for kind in CHILDREN:
            for child in self._owned(kind, service):
                await self._cluster.delete(kind, child)
        await self._cluster.remove_finalizer(LLM_INFERENCE_SERVICE, service, FINALIZER)

    def _owned(self, kind: Kind, service: Manifest) -> list[Manifest]:
        uid = service["metadata"].get("uid")
        return self._cluster.store(kind).by("owner", uid)

    async def _drop(self, kind: Kind, service: Manifest, name: str) -> None:
        child = self._cluster.store(kind).get(Key(service["metadata"]["namespace"], name))
        if child is not None and is_controlled_by(child, service):
            await self._cluster.delete(kind, child)

    def _gateway(self, reference: GatewayRef) -> Manifest | None:
        return self._cluster.store(GATEWAY).get(Key(reference.namespace, reference.name))

    @staticmethod
    def _unprogrammed(present: list[tuple[GatewayRef, Manifest]]) -> Trouble | None:
        waiting = [str(ref) for ref, gateway in present if not holds(status(gateway).get("conditions"), "Programmed")]
        return Trouble("GatewaysNotReady", f"not programmed yet: {', '.join(waiting)}") if waiting else None

    @staticmethod
    def _route_trouble(route: Manifest | None, *, available: bool) -> Trouble | None:
        """A model without Pods has no served route either, which its workload says better: only one that is available waits for it."""
        text = not_ready(route) if route is not None else "the HTTPRoute has not been created yet"
        if not text and available and route is not None:
            text = unserved(route)
        return Trouble("HTTPRoutesNotReady", text) if text else None


def readiness_event(was: str | None, ready: Manifest) -> tuple[Literal["Normal", "Warning"], str, str] | None:
    """Type, reason and message when a model becomes ready or ceases to be; that a new one is not ready yet is no news, as in KServe."""
    if was != "True" and ready.get("status") == "True":
        return "Normal", "LLMInferenceServiceReady", "the model is ready"
    if was == "True" and ready.get("status") == "False":
        return "Warning", "LLMInferenceServiceNotReady", f"{ready.get('reason', '')}: {ready.get('message', '')}"
    return None


def owners(manifest: Manifest) -> Iterable[object]:
    """Index of children by the uid of their controller."""
    return [ref.get("uid") for ref in manifest["metadata"].get("ownerReferences") or () if ref.get("controller")]


def install(manager: Manager, recorder: Recorder, settings: Settings) -> Controller:
    """Add the KServe stand-in to a manager."""
    cluster = manager.cluster
    controller = manager.add("llminferenceservice", InferenceServiceReconciler(cluster, recorder, settings))
    services = cluster.informer(LLM_INFERENCE_SERVICE)
    controller.owns(services)
    for kind in CHILDREN:
        controller.follows(cluster.informer(kind, {"owner": owners}), _owner_keys)

    def routed_by(change: Change) -> list[Key]:
        if (
            change.old is not None
            and change.new is not None
            and what_models_use(change.old) == what_models_use(change.new)
        ):
            return []
        names = {key_of(manifest) for manifest in change.both()}
        return [key_of(service) for service in services.store.all() if _uses(service, names, settings.default_gateway)]

    controller.follows(cluster.informer(GATEWAY), routed_by)
    return controller


def what_models_use(gateway: Manifest) -> object:
    """What the parts and the status of a model take from a gateway: not how many routes hang on it, which changes with every model."""
    programmed = find(status(gateway).get("conditions"), "Programmed") or {}
    return (
        spec(gateway),
        status(gateway).get("addresses"),
        programmed.get("status"),
        annotations(gateway).get(LISTENER_URLS),
        is_deleting(gateway),
    )


def _uses(service: Manifest, gateways: set[Key], default: GatewayRef) -> bool:
    return any(Key(ref.namespace, ref.name) in gateways for ref in gateway_refs(service, default))


def _owner_keys(change: Change) -> list[Key]:
    return [
        Key(manifest["metadata"].get("namespace") or "", ref["name"])
        for manifest in change.both()
        for ref in manifest["metadata"].get("ownerReferences") or ()
        if ref.get("kind") == "LLMInferenceService" and ref.get("controller")
    ]
