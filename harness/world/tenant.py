"""A tenant of a check's own: an AITenant with a gateway, a namespace and a management API, and everything a world can do there.

A tenant is a world whose wire ends at another gateway: its subscriptions and policies lie in the tenant's namespace, its models hang
on the tenant's gateway, and its callers call there. It is open, that is in force and reachable, when a check gets it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from harness.client.measuring import Call
from harness.client.secret import Secret
from harness.engine.failure import NotConformant, NotReady
from harness.kube.apply import apply_manifests, delete_all
from harness.kube.fault import WaitExpired
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Bound, Expectation, exists, has_condition, has_phase, wait_for, wait_for_all
from harness.platforms.platform import ModelHandle, Platform
from harness.world.caller import Caller, Credential, Wire
from harness.world.governance import MAAS, Subscription
from harness.world.identity import Person
from harness.world.patience import until
from harness.world.twin import MAAS_GATEWAY, Twin
from harness.world.world import World

AITENANTS: Final = "ai-tenants"
"""The namespace of AITenants, as the upstream installer names it."""
GATEWAY_API: Final = "gateway.networking.k8s.io/v1"
KUADRANT: Final = "kuadrant.io/v1"
URLS: Final = "maas-conformance.dev/listener-urls"
ADDRESS: Final = "maas-conformance.dev/address"
PLAIN_LISTENER: Final[Mapping[str, Any]] = {
    "name": "http",
    "port": 80,
    "protocol": "HTTP",
    "allowedRoutes": {"namespaces": {"from": "All"}},
}
_USUAL: Final = {"http": 80, "https": 443}


class Tenant(World):
    """One tenant; its `name` is that of the AITenant and of its Gateway."""

    def __init__(
        self,
        parent: World,
        *,
        name: str | None = None,
        oidc: Mapping[str, Any] | None = None,
        listeners: Sequence[Mapping[str, Any]] = (PLAIN_LISTENER,),
    ) -> None:
        super().__init__(parent.estate, parent.wire)
        self.name = name or self.name
        places = parent.wire.platform.namespaces
        self._parent = parent
        self._own: list[ModelHandle] = []
        self._closed = False
        self.namespace = f"ai-tenant-{self.name}"
        self.infra = places.infra
        self.ref = Ref(MAAS, "AITenant", self.name, AITENANTS)
        self.gateway = Ref(GATEWAY_API, "Gateway", self.name, places.gateway)
        self.config = Ref(MAAS, "MaasTenantConfig", "default-tenant", self.namespace)
        self.workload = Ref("apps/v1", "Deployment", f"maas-api-{self.name}", places.infra)
        self.service = Ref("v1", "Service", f"maas-api-{self.name}", places.infra)
        self.route = Ref(GATEWAY_API, "HTTPRoute", f"maas-api-route-{self.name}", places.infra)
        self.auth_policy = Ref(KUADRANT, "AuthPolicy", f"{self.name}-maas-auth", places.gateway)
        self._oidc = dict(oidc) if oidc is not None else None
        self._listeners = [dict(listener) for listener in listeners]

    # --- life -------------------------------------------------------------------------------------------------------------

    def gateway_manifest(self) -> Manifest:
        """The Gateway, of the class that the platform's own one has."""
        place = self.gateway.namespace
        usual = self.estate.cluster.get(Ref(GATEWAY_API, "Gateway", MAAS_GATEWAY, place))
        if usual is None:
            raise NotReady(f"there is no Gateway {place}/{MAAS_GATEWAY} whose class a tenant's gateway could have")
        spec = {"gatewayClassName": usual["spec"]["gatewayClassName"], "listeners": self._listeners}
        return _manifest(self.gateway, spec)

    def manifest(self) -> Manifest:
        """The AITenant."""
        return _manifest(self.ref, {"oidc": self._oidc} if self._oidc is not None else {})

    def in_force(self) -> tuple[Expectation, ...]:
        """What the objects say once everything of the tenant can be used."""
        return (
            has_phase(self.ref, "Active"),
            has_condition(self.gateway, "Programmed"),
            has_condition(self.auth_policy, "Enforced"),
            exists(self.route),
        )

    def expect_guarded(self) -> None:
        """Raises NotConformant where the tenant is Active and its Gateway has no AuthPolicy of the documented name."""
        cluster = self.estate.cluster
        governed = self.wire.platform.missing(frozenset({"kuadrant"})) is None
        active = has_phase(self.ref, "Active").holds(cluster.get(self.ref))
        if governed and active and cluster.get(self.auth_policy) is None:
            raise NotConformant(
                expected=f"{self.auth_policy}, which guards the Gateway of an Active tenant",
                observed="it does not exist",
                requirement="MAAS-GW-008",
            )

    def open(self) -> None:
        """Turn to the tenant's own gateway. Raises NotReady when it cannot be reached from here."""
        self.wire = Wire(self._seen_from_here(), self.wire.client, self.wire.recorder, self.wire.book)
        # the controller makes the namespace; what runs leave behind is found by their labels
        apply_manifests(self.estate.cluster, [_space(self.namespace)], self.estate.labels)
        call = Call("GET", f"{self.wire.platform.endpoints.management}/health")
        answer, _ = until(
            lambda: self.estate.client.send(call),
            lambda seen: seen.status == 200,
            Bound("a tenant's management API answers through its gateway", 10),
        )
        if answer.status != 200:
            raise NotReady(f"tenant {self.name} is Active, and {call.url} answers {answer.status or answer.error}")

    def settle(self) -> None:
        """Create what was declared here and in the world that this tenant belongs to."""
        self._parent.settle()
        super().settle()

    def remove(self) -> None:
        """Delete everything of the tenant, its namespace too, which outlives an AITenant."""
        super().remove()
        if not self.estate.keep:
            doomed = [Ref("v1", "Namespace", self.namespace), self.gateway, self.ref]
            delete_all(self.estate.cluster, doomed)

    def instance(self) -> str:
        """The base URL of the tenant's management API itself, past the gateway. Raises NotReady where it is not in reach."""
        slices = self.estate.cluster.objects(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            namespace=self.infra,
            labels=f"kubernetes.io/service-name={self.service.name}",
        )
        for found in slices:
            address = (found["metadata"].get("annotations") or {}).get(ADDRESS)
            if address and found.get("ports"):
                return f"http://{address}:{found['ports'][0]['port']}"
        raise NotReady(f"the Service {self.service} has no endpoint that can be reached from here")

    # --- models -----------------------------------------------------------------------------------------------------------

    def model(self, number: int = 0) -> ModelHandle:
        """A model of the tenant, made when it is first asked for."""
        while len(self._own) <= number:
            self._own.append(self.new_model().handle)
        return self._own[number]

    @property
    def gateway_refs(self) -> list[dict[str, str]]:
        """The tenant's own gateway."""
        return [{"name": self.gateway.name, "namespace": self.gateway.namespace or ""}]

    def assigned(self, twin: Twin) -> Twin:
        """The same, registered for the tenant."""
        return replace(twin, manifests=tuple(self._registered(manifest) for manifest in twin.manifests))

    def caller(
        self,
        credential: Credential | Secret | None = None,
        *,
        identity: Person | None = None,
        subscription: Subscription | None = None,
        model: ModelHandle | None = None,
    ) -> Caller:
        """As every world's; where no model is named and the tenant has none yet, none is made for it."""
        if model is None and subscription is None:
            model = next(iter(self._own), None) or self.original
        return super().caller(credential, identity=identity, subscription=subscription, model=model)

    def _registered(self, manifest: Manifest) -> Manifest:
        if manifest["kind"] != "MaaSModelRef":
            return manifest
        return {**manifest, "spec": {**manifest["spec"], "tenantRef": self.name}}

    def _seen_from_here(self) -> Platform:
        platform = self._parent.wire.platform
        url = gateway_url(self.estate.cluster.get(self.gateway) or {})
        endpoints = platform.endpoints.model_copy(
            update={"gateway": url, "management": f"{url}/maas-api", "gateway_tls": None}
        )
        spaces = platform.namespaces.model_copy(update={"subscriptions": self.namespace})
        return platform.model_copy(update={"endpoints": endpoints, "namespaces": spaces})


def open_tenants(tenants: Sequence[Tenant]) -> None:
    """Create tenants together and wait until each can be used. Raises NotReady, quoting what the object says of itself, and
    NotConformant where a tenant says that it is Active while nothing guards its gateway.
    """
    if not tenants:
        return
    estate = tenants[0].estate
    apply_manifests(estate.cluster, [tenant.gateway_manifest() for tenant in tenants], estate.labels)
    apply_manifests(estate.cluster, [tenant.manifest() for tenant in tenants], estate.labels)
    try:
        wait_for_all(estate.cluster, [one for tenant in tenants for one in tenant.in_force()], estate.ready_bound)
    except WaitExpired as expired:
        for tenant in tenants:
            tenant.expect_guarded()
        raise NotReady(str(expired)) from expired
    for tenant in tenants:
        tenant.open()


def gateway_url(gateway: Manifest) -> str:
    """Where a Gateway is reached: as it announces it, else by its address and first listener. Raises NotReady when it has none."""
    announced = json.loads((gateway.get("metadata", {}).get("annotations") or {}).get(URLS) or "{}")
    if announced:
        return str(announced.get("http") or next(iter(announced.values()))).rstrip("/")
    addresses = (gateway.get("status") or {}).get("addresses") or []
    listeners = (gateway.get("spec") or {}).get("listeners") or []
    if not addresses or not listeners:
        raise NotReady("the tenant's Gateway has no address")
    scheme, port = str(listeners[0]["protocol"]).lower(), listeners[0]["port"]
    host = listeners[0].get("hostname") or addresses[0]["value"]
    return f"{scheme}://{host}" + ("" if _USUAL.get(scheme) == port else f":{port}")


def await_object(tenant: Tenant, expectation: Expectation) -> Manifest | None:
    """The object once the expectation holds, for what a check stands on. Raises NotReady."""
    try:
        return wait_for(tenant.estate.cluster, expectation, tenant.estate.ready_bound)
    except WaitExpired as expired:
        raise NotReady(str(expired)) from expired


def expect_object(tenant: Tenant, expectation: Expectation, *, requirement: str | None = None) -> Manifest | None:
    """The object once the expectation holds. Raises NotConformant, with what the object said last, when the bound is over first."""
    try:
        return wait_for(tenant.estate.cluster, expectation, tenant.estate.ready_bound)
    except WaitExpired as expired:
        raise NotConformant(
            expected=f"{expectation.ref} {expectation.what}", observed=str(expired), requirement=requirement
        ) from expired


def _manifest(ref: Ref, spec: Mapping[str, Any]) -> Manifest:
    metadata = {"name": ref.name, "namespace": ref.namespace}
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, "spec": dict(spec)}


def _space(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
