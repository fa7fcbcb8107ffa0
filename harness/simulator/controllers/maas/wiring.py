"""Which change wakes the reconcilers of models, limits, subscriptions and access policies."""

from collections.abc import Iterable

from harness.simulator.controllers.maas.accessstatus import is_enforced
from harness.simulator.controllers.maas.changes import (
    Mapping,
    is_settled,
    models_whose_governance_moved,
    models_whose_limits_moved,
    models_whose_policy_drifted,
    placement_moved,
    priority,
    spec_moved,
    standing,
    where_tenants_live,
)
from harness.simulator.controllers.maas.names import model_of_policy
from harness.simulator.controllers.maas.view import (
    View,
    by_alias,
    by_backend,
)
from harness.simulator.controllers.runtime.controller import Controller
from harness.simulator.controllers.runtime.kind import (
    AI_TENANT,
    AUTH_POLICY,
    EXTERNAL_MODEL,
    HTTP_ROUTE,
    LEGACY_EXTERNAL_MODEL,
    LLM_INFERENCE_SERVICE,
    MAAS_AUTH_POLICY,
    MAAS_MODEL_REF,
    MAAS_SUBSCRIPTION,
    NAMESPACE,
    TOKEN_RATE_LIMIT_POLICY,
    Kind,
)
from harness.simulator.controllers.runtime.manifest import (
    Key,
    key_of,
    labels,
    status,
)
from harness.simulator.controllers.runtime.store import Change

PEERS_LATER_S = 0.2


class Wiring:
    """Maps changes of one kind to keys of another."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._cluster = view.cluster

    def of_models(self, controller: Controller) -> None:
        """MaaSModelRef: its backend, whoever lists it, and namesakes."""
        informer = self._cluster.informer(MAAS_MODEL_REF)
        controller.owns(informer)
        controller.follows(informer, self._namesakes)
        controller.follows(self._cluster.informer(LLM_INFERENCE_SERVICE), self._backed_by("LLMInferenceService"))
        for kind in (EXTERNAL_MODEL, LEGACY_EXTERNAL_MODEL):
            controller.follows(self._cluster.informer(kind), self._backed_by("ExternalModel"))
        for kind in (MAAS_SUBSCRIPTION, MAAS_AUTH_POLICY):
            controller.follows(self._cluster.informer(kind), models_whose_governance_moved)
        controller.follows(self._cluster.informer(HTTP_ROUTE), self._routed)
        self._on_placement(controller, MAAS_MODEL_REF)

    def of_limits(self, controller: Controller) -> None:
        """TokenRateLimitPolicy: its model, the subscriptions on it, its route, and its own drift."""
        controller.owns(self._cluster.informer(MAAS_MODEL_REF))
        controller.follows(self._cluster.informer(MAAS_MODEL_REF), self._sharing_backend)
        controller.follows(self._cluster.informer(MAAS_SUBSCRIPTION), models_whose_limits_moved)
        controller.follows(self._cluster.informer(HTTP_ROUTE), self._routed)
        controller.follows(self._cluster.informer(TOKEN_RATE_LIMIT_POLICY), models_whose_policy_drifted)
        self._on_placement(controller, MAAS_MODEL_REF)

    def of_subscriptions(self, controller: Controller) -> None:
        """MaaSSubscription: models, routes and policies of what it lists, and peers of its priority."""
        informer = self._cluster.informer(MAAS_SUBSCRIPTION)
        controller.owns(informer)
        controller.follows(self._cluster.informer(MAAS_MODEL_REF), self._listing_model(MAAS_SUBSCRIPTION))
        controller.follows(self._cluster.informer(HTTP_ROUTE), self._listing_routed)
        controller.follows(self._cluster.informer(TOKEN_RATE_LIMIT_POLICY), self._concerned_by_policy)
        self._on_placement(controller, MAAS_SUBSCRIPTION)

        def peers_later(change: Change) -> None:
            if priority(change.old) == priority(change.new):
                return
            for manifest in change.both():
                for peer in self._view.peers_of(manifest):
                    controller.queue.add_after(key_of(peer), PEERS_LATER_S)

        informer.subscribe(peers_later)

    def of_access(self, controller: Controller) -> None:
        """MaaSAuthPolicy: models it lists, and the AuthPolicies around them."""
        informer = self._cluster.informer(MAAS_AUTH_POLICY)
        controller.owns(informer)
        controller.follows(self._cluster.informer(MAAS_MODEL_REF), self._listing_model(MAAS_AUTH_POLICY))
        controller.follows(self._cluster.informer(AUTH_POLICY), self._guarded)
        self._on_placement(controller, MAAS_AUTH_POLICY)

    def _on_placement(self, controller: Controller, kind: Kind) -> None:
        """Tenants and tenant namespaces change rarely and move much: look at everything again."""

        def every(change: Change) -> list[Key]:
            if change.old is not None and change.new is not None and labels(change.old) == labels(change.new):
                moved = status(change.old).get("gatewayRef") != status(change.new).get("gatewayRef")
                if not moved:
                    return []
            return [key_of(manifest) for manifest in self._cluster.store(kind).all()]

        controller.follows(self._cluster.informer(AI_TENANT), every)
        controller.follows(self._cluster.informer(NAMESPACE), where_tenants_live(self._view.settings, every))

    def _backed_by(self, backend: str) -> Mapping:
        def keys(change: Change) -> list[Key]:
            found = self._cluster.store(MAAS_MODEL_REF).by("backend", (backend, key_of(change.latest)))
            return [key_of(model) for model in found]

        return keys

    def _routed(self, change: Change) -> list[Key]:
        return [model for route in change.both() for model in self._view.models_behind_route(route)]

    def _namesakes(self, change: Change) -> list[Key]:
        store = self._cluster.store(MAAS_MODEL_REF)
        aliases = {alias for model in change.both() for alias in by_alias(model)}
        if (
            change.old is not None
            and change.new is not None
            and list(by_alias(change.old)) == list(by_alias(change.new))
        ):
            return []
        return [key_of(model) for alias in aliases for model in store.by("alias", alias)]

    def _sharing_backend(self, change: Change) -> list[Key]:
        """Other models of the same backend, when a model came, went or moved: one of them may be the elder now."""
        if not placement_moved(change):
            return []
        store = self._cluster.store(MAAS_MODEL_REF)
        backends = {backend for model in change.both() for backend in by_backend(model)}
        return [key_of(model) for backend in backends for model in store.by("backend", backend)]

    def _listing_model(self, kind: Kind) -> Mapping:
        def keys(change: Change) -> list[Key]:
            if change.old is not None and change.new is not None and not placement_moved(change):
                return []
            return self._listing(kind, [key_of(change.latest)])

        return keys

    def _listing(self, kind: Kind, models: Iterable[Key]) -> list[Key]:
        store = self._cluster.store(kind)
        return [key_of(one) for model in models for one in store.by("model", model)]

    def _listing_routed(self, change: Change) -> list[Key]:
        return self._listing(MAAS_SUBSCRIPTION, self._routed(change)) if spec_moved(change) else []

    def _concerned_by_policy(self, change: Change) -> list[Key]:
        """All subscriptions when the policy's standing changed, else only those that still wait."""
        model = model_of_policy(change.latest)
        if model is None:
            return []
        listed = self._cluster.store(MAAS_SUBSCRIPTION).by("model", model)
        if standing(change.old) != standing(change.new):
            return [key_of(one) for one in listed]
        return [key_of(one) for one in listed if not is_settled(one)]

    def _guarded(self, change: Change) -> list[Key]:
        """All policies when the gateway's standing changed or a stranger's policy came, went or moved."""
        if is_enforced(change.old) == is_enforced(change.new) and not spec_moved(change):
            return []
        return [key_of(one) for one in self._cluster.store(MAAS_AUTH_POLICY).all()]
