"""External models of both groups: the Services and routes that lead to their providers."""

from harness.simulator.controllers.maas.external import legacy_name
from harness.simulator.controllers.maas.provider import (
    InvalidProviderError,
    Provider,
    authenticated,
    described,
    destination_rule,
    external_route,
    legacy_provider,
    provider_service,
    service_entry,
)
from harness.simulator.controllers.maas.quirks import Quirk
from harness.simulator.controllers.maas.view import View
from harness.simulator.controllers.runtime.condition import Condition, truth, update
from harness.simulator.controllers.runtime.event import Recorder
from harness.simulator.controllers.runtime.kind import (
    DESTINATION_RULE,
    EXTERNAL_MODEL,
    EXTERNAL_PROVIDER,
    HTTP_ROUTE,
    LEGACY_EXTERNAL_MODEL,
    SERVICE,
    SERVICE_ENTRY,
    Kind,
)
from harness.simulator.controllers.runtime.manifest import (
    Key,
    Manifest,
    generation,
    is_deleting,
    key_of,
    spec,
    status,
    timestamp,
)
from harness.simulator.controllers.runtime.refusal import REFUSAL, code_of


class LegacyExternalModelReconciler:
    """ExternalModel of the maas group: one provider, described in the object itself."""

    def __init__(self, view: View, recorder: Recorder) -> None:
        self._view = view
        self._cluster = view.cluster
        self._recorder = recorder

    async def reconcile(self, key: Key) -> float | None:
        """Bring one model to rest; its parts go with it by garbage collection."""
        model = self._cluster.store(LEGACY_EXTERNAL_MODEL).get(key)
        if model is None or is_deleting(model):
            return None
        try:
            provider = legacy_provider(model)
        except InvalidProviderError as error:
            self._recorder.record(model, "Warning", "InvalidProvider", str(error))
            await self._say(model, "Failed", "InvalidSpec", str(error))
            return None
        target = str(spec(model)["targetModel"])
        quirky = Quirk.TARGET_NAME_ROUTES_ALONE in self._view.settings.quirks
        names = [target] if quirky else [key.name, target]
        await self._cluster.apply(SERVICE, provider_service(model, provider, key.name))
        await self._mesh(model, provider, key.name)
        route = external_route(model, legacy_name(key.name), names, [provider], self._view.settings.gateway)
        await self._cluster.apply(HTTP_ROUTE, route)
        await self._say(model, "Ready", "Reconciled", "the route to the provider is written")
        return None

    async def _mesh(self, model: Manifest, provider: Provider, name: str) -> None:
        """Objects for a service mesh, where one is installed and we may write them."""
        wanted: list[tuple[Kind, Manifest]] = [(SERVICE_ENTRY, service_entry(model, provider, name))]
        rule = destination_rule(model, provider, name)
        if provider.tls:
            wanted.append((DESTINATION_RULE, rule))
        try:
            for kind, manifest in wanted:
                await self._cluster.apply(kind, manifest)
            if not provider.tls:
                await self._cluster.delete(DESTINATION_RULE, rule)
        except REFUSAL as error:
            if code_of(error) not in (403, 404):
                raise

    async def _say(self, model: Manifest, phase: str, reason: str, message: str) -> None:
        ready = Condition("Ready", truth(phase == "Ready"), reason, message, generation(model))
        wanted = {"phase": phase, "conditions": update(status(model).get("conditions"), [ready], timestamp())}
        await self._cluster.write_status(LEGACY_EXTERNAL_MODEL, model, wanted)


class ExternalProviderReconciler:
    """ExternalProvider: the Service that stands for its host, whichever models refer to it."""

    def __init__(self, view: View, recorder: Recorder) -> None:
        self._cluster = view.cluster
        self._recorder = recorder

    async def reconcile(self, key: Key) -> float | None:
        """Bring one provider to rest; its Service goes with it by garbage collection.

        The Service is there however the provider wants to be authenticated to: a model may bring credentials of its own.
        """
        owner = self._cluster.store(EXTERNAL_PROVIDER).get(key)
        if owner is None or is_deleting(owner):
            return None
        try:
            await self._cluster.apply(SERVICE, provider_service(owner, described(owner, key.name)))
            authenticated(spec(owner)["auth"], str(key))
        except InvalidProviderError as error:
            self._recorder.record(owner, "Warning", "InvalidProvider", str(error))
            await self._say(owner, "Failed", "InvalidSpec", str(error))
            return None
        await self._say(owner, "Ready", "Reconciled", "the Service that stands for the host is written")
        return None

    async def _say(self, owner: Manifest, phase: str, reason: str, message: str) -> None:
        ready = Condition("Ready", truth(phase == "Ready"), reason, message, generation(owner))
        wanted = {"phase": phase, "conditions": update(status(owner).get("conditions"), [ready], timestamp())}
        await self._cluster.write_status(EXTERNAL_PROVIDER, owner, wanted)


class ExternalModelReconciler:
    """ExternalModel of the inference group: weighted references to ExternalProviders."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._cluster = view.cluster

    async def reconcile(self, key: Key) -> float | None:
        """Bring one model to rest."""
        model = self._cluster.store(EXTERNAL_MODEL).get(key)
        if model is None or is_deleting(model):
            return None
        try:
            providers = self._providers(key, model)
        except InvalidProviderError as error:
            await self._say(model, None, str(error))
            return None
        names = [key.name, str(spec(model).get("modelName") or key.name)]
        route = external_route(model, key.name, names, providers, self._view.settings.gateway)
        await self._cluster.apply(HTTP_ROUTE, route)
        await self._say(model, key.name, "the route to the providers is written")
        return None

    def _providers(self, key: Key, model: Manifest) -> list[Provider]:
        """The referenced providers; raises InvalidProviderError when one is missing or malformed."""
        found: list[Provider] = []
        for reference in spec(model)["externalProviderRefs"]:
            name = reference["ref"]["name"]
            owner = self._cluster.store(EXTERNAL_PROVIDER).get(Key(key.namespace, name))
            if owner is None:
                raise InvalidProviderError(f"ExternalProvider {key.namespace}/{name} not found")
            found.append(described(owner, name, int(reference.get("weight", 1))))
            authenticated(reference.get("auth") or spec(owner)["auth"], f"{key.namespace}/{name}")
        return found

    async def _say(self, model: Manifest, route: str | None, message: str) -> None:
        reason = "Reconciled" if route else "ReconcileFailed"
        ready = Condition("Ready", truth(route is not None), reason, message, generation(model))
        wanted = {
            "phase": "Ready" if route else "Failed",
            "conditions": update(status(model).get("conditions"), [ready], timestamp()),
        }
        await self._cluster.write_status(EXTERNAL_MODEL, model, wanted | ({"httpRouteName": route} if route else {}))


def models_of_provider(view: View, provider: Manifest) -> list[Key]:
    """ExternalModels that refer to a provider."""
    name, namespace = provider["metadata"]["name"], provider["metadata"]["namespace"]
    return [
        key_of(model)
        for model in view.cluster.store(EXTERNAL_MODEL).all(namespace)
        if any(reference["ref"]["name"] == name for reference in spec(model).get("externalProviderRefs") or ())
    ]
