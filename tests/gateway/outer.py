"""External models on the gateway: the objects as a person and the MaaS controller write them, and somebody who may call."""

import base64
from dataclasses import dataclass
from typing import Any

import httpx
from lightkube.generic_resource import create_namespaced_resource
from lightkube.resources.core_v1 import Secret, Service

from harness.simulator.controllers.maas.provider import described, external_route, provider_service
from harness.simulator.controllers.runtime.manifest import Key
from tests.gateway.conftest import Caller, Rig
from tests.gateway.provider import Provider
from tests.gateway.stack import INGRESS, MAAS
from tests.gateway.world import HTTPRoute, Model, eventually, fresh

INFERENCE = "inference.opendatahub.io"
ExternalModel = create_namespaced_resource(INFERENCE, "v1alpha1", "ExternalModel", "externalmodels")
ExternalProvider = create_namespaced_resource(INFERENCE, "v1alpha1", "ExternalProvider", "externalproviders")
LegacyModel = create_namespaced_resource("maas.opendatahub.io", "v1alpha1", "ExternalModel", "externalmodels")
KEY, TARGET = "provider-key-1", "gpt-4o-2024-08-06"
LARGE = (100_000, "1h")


@dataclass(frozen=True)
class Outer(Model):
    """An external model: its route has its own name, and a body names it without a namespace."""

    @property
    def alias(self) -> str:
        return self.name

    @property
    def route(self) -> str:
        return self.name


@dataclass
class Outside:
    """One external model with its provider, and somebody who may use it."""

    rig: Rig
    provider: Provider
    caller: Caller
    secret: str

    @property
    def model(self) -> Model:
        return self.caller.model

    def post(
        self, path: str = "/v1/chat/completions", headers: dict[str, str] | None = None, **body: Any
    ) -> httpx.Response:
        """One request by path, with a request id of its own."""
        sent = {"model": self.model.name, "max_tokens": 10, "messages": []} | body
        own = self.caller.headers | {"X-Request-Id": fresh("request")} | (headers or {})
        url = f"{self.rig.url}/{self.model.reference}{path}"
        return self.rig.http.post(url, json=sent, headers=own)

    def seen(self, answer: httpx.Response) -> Any:
        """What the provider got of an answered request."""
        return self.provider.of(answer.request.headers["x-request-id"])

    def charges(self) -> list[Any]:
        """Open windows of the caller, once the limiter knows every response so far: told by a call of another model."""
        self.rig.limited(LARGE).fence()
        return self.rig.counters(self.caller.user)

    def rotate(self, key: str) -> None:
        """Put another key in the Secret."""
        self.rig.world.patch(Secret, self.model.namespace, self.secret, {"data": {"api-key": coded(key)}})


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Maker:
    """Writes the objects, as a person and then the MaaS controller would."""

    def __init__(self, rig: Rig, provider: Provider, port: int) -> None:
        self.rig, self.world, self.provider, self.port = rig, rig.world, provider, port
        self.namespace = fresh("outer")
        self.world.namespace(self.namespace)

    def host(self, name: str) -> str:
        return f"{name}.{self.namespace}.svc.cluster.local"

    def secret(self, **entries: str) -> str:
        name = fresh("secret")
        self.world.create(Secret, self.namespace, name, {}, data={key: coded(text) for key, text in entries.items()})
        return name

    def stand_in(self) -> str:
        """The Service behind which the provider's process answers; its host name."""
        name = fresh("server")
        self.world.service(self.namespace, name, self.port)
        return self.host(name)

    def named(self, kind: str, api: str, thing: Any) -> dict[str, Any]:
        return {**thing.to_dict(), "kind": kind, "apiVersion": api}

    def model(
        self, api: str = "chat", *, key: str = KEY, notes: dict[str, str] | None = None, host: str | None = None,
        secret: str | None = None, provider: str = "openai", auth: str = "apikey", **reference: Any,
    ) -> Outside:  # fmt: skip
        """A model of the inference group with one provider."""
        name, annotations = (
            fresh("gpt"),
            {"maas.opendatahub.io/port": "8000", "maas.opendatahub.io/tls": "false"} | (notes or {}),
        )
        holder = secret or self.secret(**{"api-key": key})
        endpoint = host or self.stand_in()
        made = self.world.kube.create(
            ExternalProvider.from_dict({
                "metadata": {"name": f"{name}-provider", "namespace": self.namespace, "annotations": annotations},
                "spec": {"provider": provider, "endpoint": endpoint, "auth": {"type": auth, "secretRef": {"name": holder}}},
            })
        )  # fmt: skip
        references = [{"ref": {"name": f"{name}-provider"}, "targetModel": TARGET, "apiFormat": api, **reference}]
        model = self.world.create(ExternalModel, self.namespace, name, {"externalProviderRefs": references})
        owner = self.named("ExternalProvider", f"{INFERENCE}/v1alpha1", made)
        self.route(self.named("ExternalModel", f"{INFERENCE}/v1alpha1", model), [(owner, f"{name}-provider")])
        return self.callable(Outer(self.namespace, name), holder)

    def legacy(self, provider: str, endpoint: str) -> Outside:
        """A model of the legacy group."""
        name, holder = fresh("gpt"), self.secret(**{"api-key": KEY})
        spec = {"provider": provider, "targetModel": TARGET, "endpoint": endpoint, "credentialRef": {"name": holder}}
        notes = {"maas.opendatahub.io/port": "8000", "maas.opendatahub.io/tls": "false"}
        metadata = {"name": name, "namespace": self.namespace, "annotations": notes}
        made = self.world.kube.create(LegacyModel.from_dict({"metadata": metadata, "spec": spec}))
        owner = self.named("ExternalModel", "maas.opendatahub.io/v1alpha1", made)
        self.route(owner, [(owner, name)])
        return self.callable(Outer(self.namespace, name), holder)

    def route(self, model: dict[str, Any], providers: list[tuple[dict[str, Any], str]]) -> None:
        """The Services and the HTTPRoute, written by the controller's own functions."""
        facts = [described(owner, service) for owner, service in providers]
        for (owner, _), one in zip(providers, facts, strict=True):
            self.world.kube.create(Service.from_dict(provider_service(owner, one, model["metadata"]["name"])))
        name = model["metadata"]["name"]
        route = external_route(model, name, [name, TARGET], facts, Key(INGRESS, MAAS))
        self.world.kube.create(HTTPRoute.from_dict(route))

    def pair(self, one: Outside, host: str, secret: str) -> Outside:
        """The same model with a second provider of the same weight, which calls the model `other-name`."""
        name, names = one.model.name, (f"{one.model.name}-provider", f"{one.model.name}-second")
        kube, space = self.world.kube, {"namespace": self.namespace}
        first = kube.get(ExternalProvider, names[0], **space)
        spec = {**first["spec"], "endpoint": host, "auth": {"type": "apikey", "secretRef": {"name": secret}}}
        metadata = {"name": names[1], **space, "annotations": first["metadata"]["annotations"]}
        second = kube.create(ExternalProvider.from_dict({"metadata": metadata, "spec": spec}))
        model = kube.get(ExternalModel, name, **space)
        reference = {"ref": {"name": names[1]}, "targetModel": "other-name", "apiFormat": "chat"}
        references = [*model["spec"]["externalProviderRefs"], reference]
        self.world.patch(ExternalModel, self.namespace, name, {"spec": {"externalProviderRefs": references}})
        api = f"{INFERENCE}/v1alpha1"
        owners = [self.named("ExternalProvider", api, item) for item in (first, second)]
        facts = [described(owner, service) for owner, service in zip(owners, names, strict=True)]
        kube.create(Service.from_dict(provider_service(owners[1], facts[1])))
        route = external_route(self.named("ExternalModel", api, model), name, [name], facts, Key(INGRESS, MAAS))
        self.world.patch(HTTPRoute, self.namespace, name, {"spec": route["spec"]})
        eventually(lambda: self.served(one.model))
        return one

    def served(self, model: Model) -> bool:
        """Whether the present route has an endpoint for each backend."""
        route = self.world.kube.get(HTTPRoute, model.route, namespace=model.namespace)
        return all(
            item["status"] == "True" and item["observedGeneration"] == route["metadata"]["generation"]
            for item in route["status"]["parents"][0]["conditions"]
        )

    def callable(self, model: Outer, secret: str) -> Outside:
        self.world.route_in_force(model)
        self.world.limit(model, LARGE)
        return Outside(self.rig, self.provider, self.rig.caller(model), secret)

    def resolved(self, model: Model) -> tuple[str, str]:
        """Status and message of the route's ResolvedRefs."""
        route = self.world.kube.get(HTTPRoute, model.route, namespace=model.namespace)
        (found,) = [item for item in route["status"]["parents"][0]["conditions"] if item["type"] == "ResolvedRefs"]
        return found["status"], found["message"]
