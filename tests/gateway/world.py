"""Gateway API and policy objects for tests, each test with names of its own."""

import itertools
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lightkube import ApiError, Client
from lightkube.generic_resource import create_global_resource, create_namespaced_resource
from lightkube.resources.core_v1 import Namespace, Service
from lightkube.resources.discovery_v1 import EndpointSlice
from lightkube.types import PatchType

from harness.simulator.gateway.plan.backends import ADDRESS
from harness.simulator.kubelet.endpoints import PLACEHOLDER
from tests.gateway.stack import INGRESS, MAAS, STANDARD

GATEWAY_API = "gateway.networking.k8s.io"
GatewayClass = create_global_resource(GATEWAY_API, "v1", "GatewayClass", "gatewayclasses")
Gateway = create_namespaced_resource(GATEWAY_API, "v1", "Gateway", "gateways")
HTTPRoute = create_namespaced_resource(GATEWAY_API, "v1", "HTTPRoute", "httproutes")
AuthPolicy = create_namespaced_resource("kuadrant.io", "v1", "AuthPolicy", "authpolicies")
TokenPolicy = create_namespaced_resource("kuadrant.io", "v1alpha1", "TokenRateLimitPolicy", "tokenratelimitpolicies")
TelemetryPolicy = create_namespaced_resource(
    "extensions.kuadrant.io", "v1alpha1", "TelemetryPolicy", "telemetrypolicies"
)
EVERY_LABEL = {
    "user": "auth.identity.userid",
    "group": "auth.identity.group",
    "subscription": "auth.identity.selected_subscription",
    "cost_center": "auth.identity.subscription_info.costCenter",
    "organization_id": "auth.identity.subscription_info.organizationId",
    "model": 'responseBodyJSON("/model")',
}
NUMBER = itertools.count(1)
PARENT = {"group": GATEWAY_API, "kind": "Gateway", "namespace": INGRESS}
INFRA = "odh-ai-gateway-infra"


def fresh(prefix: str) -> str:
    """A name that no other test of this run has."""
    return f"{prefix}-{os.getpid()}-{next(NUMBER)}"


def eventually(probe: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true value of `probe`; fails with its last value after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s; last: {value!r}")
        time.sleep(0.005)


def condition(thing: Any, kind: str) -> dict[str, Any] | None:
    """A condition of the current generation."""
    for item in (thing.get("status") or {}).get("conditions") or ():
        if item["type"] == kind and item["observedGeneration"] == thing["metadata"]["generation"]:
            return item
    return None


@dataclass(frozen=True)
class Model:
    """A model on the gateway: its namespace, name, route, and the subscription key that its limit names."""

    namespace: str
    name: str

    @property
    def path(self) -> str:
        """Path of chat completions."""
        return f"/{self.namespace}/{self.name}/v1/chat/completions"

    @property
    def alias(self) -> str:
        """What a body names it."""
        return f"publishers/{self.namespace}/models/{self.name}"

    @property
    def route(self) -> str:
        """Name of its HTTPRoute."""
        return f"{self.name}-kserve-route"

    @property
    def reference(self) -> str:
        """NAMESPACE/NAME."""
        return f"{self.namespace}/{self.name}"


class World:
    """Creates objects and waits for statuses."""

    def __init__(self, kube: Client) -> None:
        self.kube = kube

    def create(self, resource: Any, namespace: str | None, name: str, spec: dict[str, Any], **rest: Any) -> Any:
        """Create one object."""
        labels = rest.pop("labels", None)
        metadata = {
            "name": name,
            **({"namespace": namespace} if namespace else {}),
            **({"labels": labels} if labels else {}),
        }
        return self.kube.create(resource.from_dict({"metadata": metadata, **({"spec": spec} if spec else {}), **rest}))

    def namespace(self, name: str) -> None:
        """Create a namespace unless it is there."""
        try:
            self.create(Namespace, None, name, {})
        except ApiError as error:
            if error.status.code != 409:
                raise

    def gateways(self) -> None:
        """The two gateways, each with listeners http and https, and the policy that governs the first."""
        self.namespace(INGRESS)
        self.create(GatewayClass, None, "openshift-default", {"controllerName": "openshift.io/gateway-controller/v1"})
        everywhere = {"namespaces": {"from": "All"}}
        for name, labels in ((MAAS, {"app.kubernetes.io/name": "maas"}), (STANDARD, {})):
            listeners = [
                {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": everywhere},
                {
                    "name": "https",
                    "port": 443,
                    "protocol": "HTTPS",
                    "allowedRoutes": everywhere,
                    "tls": {"certificateRefs": [{"name": "absent"}]},
                },
            ]
            self.create(
                Gateway, INGRESS, name, {"gatewayClassName": "openshift-default", "listeners": listeners}, labels=labels
            )

    def auth_policy(self, gateway: str = MAAS, name: str = "maas-gateway-auth") -> None:
        """The AuthPolicy of a gateway."""
        self.create(
            AuthPolicy, INGRESS, name, {"targetRef": {"group": GATEWAY_API, "kind": "Gateway", "name": gateway}}
        )

    def telemetry(self, gateway: str = MAAS, name: str = "maas-telemetry", **labels: str) -> None:
        """The TelemetryPolicy of a gateway: labels and their expressions, by default all that the limiter knows."""
        target = {"group": GATEWAY_API, "kind": "Gateway", "name": gateway}
        default = {"labels": labels or EVERY_LABEL}
        self.create(TelemetryPolicy, INGRESS, name, {"targetRef": target, "metrics": {"default": default}})

    def service(self, namespace: str, name: str, port: int, service_port: int = 8000) -> None:
        """A Service with one endpoint on loopback."""
        self.create(Service, namespace, name, {"ports": [{"name": "http", "port": service_port}]})
        self.kube.create(EndpointSlice.from_dict(endpoint_slice(namespace, name, [port])))

    def endpoints(self, namespace: str, name: str, ports: list[int]) -> None:
        """Replace the endpoints of a Service."""
        body = endpoint_slice(namespace, name, ports)
        patch = {"endpoints": body["endpoints"], "ports": body["ports"]}
        self.kube.patch(EndpointSlice, f"{name}-x", patch, namespace=namespace, patch_type=PatchType.MERGE)

    def model(self, port: int, gateway: str = MAAS, namespace: str | None = None) -> Model:
        """A model with Service and HTTPRoute; waits until the route is accepted."""
        model = Model(namespace or fresh("ns"), fresh("model"))
        self.namespace(model.namespace)
        service = f"{model.name}-kserve-workload-svc"
        self.service(model.namespace, service, port)
        rules = route_rules(model, service)
        self.create(
            HTTPRoute, model.namespace, model.route, {"parentRefs": [{**PARENT, "name": gateway}], "rules": rules}
        )
        self.route_in_force(model)
        return model

    def route_in_force(self, model: Model) -> None:
        """Wait until every parent accepted the route."""

        def accepted() -> bool:
            route = self.kube.get(HTTPRoute, model.route, namespace=model.namespace)
            parents = (route.get("status") or {}).get("parents") or []
            return bool(parents) and all(
                item["status"] == "True" and item["observedGeneration"] == route["metadata"]["generation"]
                for parent in parents
                for item in parent["conditions"]
                if item["type"] == "Accepted"
            )

        eventually(accepted)

    def limit(self, model: Model, *rates: tuple[int, str], subscription: str = "maas/s1") -> str:
        """A TokenRateLimitPolicy with one limit for one subscription; waits until it is enforced. Returns its name."""
        name = f"maas-trlp-{model.name}"
        self.create(TokenPolicy, model.namespace, name, token_policy(model, {subscription: rates}))
        self.enforced(TokenPolicy, model.namespace, name)
        return name

    def enforced(self, resource: Any, namespace: str, name: str) -> None:
        """Wait until a policy is enforced at its current generation."""

        def in_force() -> bool:
            found = condition(self.kube.get(resource, name, namespace=namespace), "Enforced")
            return found is not None and found["status"] == "True"

        eventually(in_force)

    def patch(self, resource: Any, namespace: str, name: str, body: dict[str, Any]) -> None:
        """Merge-patch an object."""
        self.kube.patch(resource, name, body, namespace=namespace, patch_type=PatchType.MERGE)


def endpoint_slice(namespace: str, service: str, ports: list[int]) -> dict[str, Any]:
    """An EndpointSlice of a Service on this machine, as the kubelet stand-in announces it. Without ports it has no endpoints."""
    return {
        "metadata": {
            "name": f"{service}-x",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
            "annotations": {ADDRESS: "127.0.0.1"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [PLACEHOLDER], "conditions": {"ready": True}}] if ports else [],
        "ports": [{"name": "http", "port": port} for port in ports] or [{"name": "http", "port": 1}],
    }


def route_rules(model: Model, service: str) -> list[dict[str, Any]]:
    """Rules as KServe writes them: by path, by body, by published path, catch-all."""
    backend = [{"name": service, "port": 8000, "weight": 1}]
    base = f"/{model.reference}"

    def rewrite(path: str) -> list[dict[str, Any]]:
        change = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": path}}
        return [{"type": "URLRewrite", "urlRewrite": change}]

    def prefix(path: str) -> list[dict[str, Any]]:
        return [{"path": {"type": "PathPrefix", "value": path}}]

    header = [{"name": "X-Gateway-Model-Name", "type": "Exact", "value": model.alias}]
    chat = "/v1/chat/completions"
    return [
        {"matches": prefix(base + chat), "filters": rewrite(chat), "backendRefs": backend},
        {"matches": [{"path": {"type": "Exact", "value": chat}, "headers": header}], "backendRefs": backend},
        {"matches": prefix(f"/{model.alias}"), "filters": rewrite("/"), "backendRefs": backend},
        {"matches": prefix(base), "filters": rewrite("/"), "backendRefs": backend},
        {"matches": [{"headers": header}], "backendRefs": backend},
    ]


def token_policy(model: Model, subscriptions: dict[str, tuple[tuple[int, str], ...]]) -> dict[str, Any]:
    """The spec of a TokenRateLimitPolicy as the MaaS controller writes it."""
    limits = {}
    for subscription, rates in subscriptions.items():
        predicate = (
            f"auth.identity.selected_subscription_key == {json.dumps(f'{subscription}@{model.reference}')}"
            ' && !request.path.endsWith("/v1/models")'
        )
        limits[f"{subscription.replace('/', '-')}-{model.name}-tokens"] = {
            "rates": [{"limit": limit, "window": window} for limit, window in rates],
            "when": [{"predicate": predicate}],
            "counters": [{"expression": "auth.identity.userid"}],
        }
    return {"targetRef": {"group": GATEWAY_API, "kind": "HTTPRoute", "name": model.route}, "limits": limits}
