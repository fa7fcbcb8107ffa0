"""Which change wakes which MaaS reconciler."""

from collections.abc import Callable, Iterable

from harness.simulator.controllers.maas.accessstatus import is_enforced
from harness.simulator.controllers.maas.admission import Admission
from harness.simulator.controllers.maas.changes import (
    is_ours,
    is_settled,
    models_whose_governance_moved,
    models_whose_limits_moved,
    models_whose_policy_drifted,
    placement_moved,
    priority,
    spec_moved,
    standing,
)
from harness.simulator.controllers.maas.names import Settings, model_of_policy
from harness.simulator.controllers.maas.provider import MODEL_LABEL as EXTERNAL_LABEL
from harness.simulator.controllers.maas.reconciler_access import AccessReconciler
from harness.simulator.controllers.maas.reconciler_external import (
    ExternalModelReconciler,
    LegacyExternalModelReconciler,
    models_of_provider,
)
from harness.simulator.controllers.maas.reconciler_gateway import GatewayReconciler
from harness.simulator.controllers.maas.reconciler_limit import LimitReconciler
from harness.simulator.controllers.maas.reconciler_model import ModelReconciler
from harness.simulator.controllers.maas.reconciler_space import SpaceReconciler
from harness.simulator.controllers.maas.reconciler_subscription import SubscriptionReconciler
from harness.simulator.controllers.maas.reconciler_tenant import TenantConfigReconciler, TenantReconciler
from harness.simulator.controllers.maas.tokenlimit import Ledger
from harness.simulator.controllers.maas.view import (
    TENANT_LABEL,
    View,
    by_alias,
    by_backend,
    listens_to,
)
from harness.simulator.controllers.maas.webhook import Webhook
from harness.simulator.controllers.runtime.controller import Controller, Manager
from harness.simulator.controllers.runtime.event import Recorder
from harness.simulator.controllers.runtime.kind import (
    AI_TENANT,
    AUTH_POLICY,
    ENDPOINT_SLICE,
    EXTERNAL_MODEL,
    EXTERNAL_PROVIDER,
    GATEWAY,
    HTTP_ROUTE,
    LEGACY_EXTERNAL_MODEL,
    LLM_INFERENCE_SERVICE,
    MAAS_AUTH_POLICY,
    MAAS_MODEL_REF,
    MAAS_SUBSCRIPTION,
    MAAS_TENANT_CONFIG,
    NAMESPACE,
    ROLE,
    SERVICE,
    TOKEN_RATE_LIMIT_POLICY,
    VALIDATING_WEBHOOKS,
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
Mapping = Callable[[Change], Iterable[Key]]


def install(
    manager: Manager, recorder: Recorder, settings: Settings, webhook_bind: tuple[str, int] | None
) -> Webhook | None:
    """Add the MaaS controller to a manager; the returned webhook has to be served. Without an address there is none."""
    listens_to(manager.cluster)
    view = View(manager.cluster, settings)
    ledger = Ledger()
    limits = manager.add("tokenratelimitpolicy", LimitReconciler(view, ledger))
    models = manager.add("maasmodelref", ModelReconciler(view, recorder))
    subscriptions = manager.add("maassubscription", SubscriptionReconciler(view, ledger, limits), workers=8)
    access = manager.add("maasauthpolicy", AccessReconciler(view, recorder))
    gateways = manager.add("gateway", GatewayReconciler(view), workers=1)
    tenants = manager.add("aitenant", TenantReconciler(view), workers=1)
    configs = manager.add("maastenantconfig", TenantConfigReconciler(view), workers=1)
    spaces = manager.add("namespace", SpaceReconciler(view), workers=1)
    legacy = manager.add("externalmodel-legacy", LegacyExternalModelReconciler(view, recorder), workers=1)
    external = manager.add("externalmodel", ExternalModelReconciler(view), workers=1)
    wiring = Wiring(view)
    wiring.of_spaces(spaces)
    wiring.of_external(legacy, external)
    wiring.of_tenants(tenants, configs)
    wiring.of_models(models)
    wiring.of_limits(limits)
    wiring.of_subscriptions(subscriptions)
    wiring.of_access(access)
    wiring.of_gateways(gateways)
    if webhook_bind is None:
        return None
    webhook = Webhook(Admission(view), manager.cluster, settings.control, webhook_bind)
    wiring.of_webhook(manager.add("webhook", webhook, workers=1))
    return webhook


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

    def of_external(self, legacy: Controller, external: Controller) -> None:
        """External models: their providers, and drift of what was written for them."""
        cluster = self._cluster
        legacy.owns(cluster.informer(LEGACY_EXTERNAL_MODEL))
        external.owns(cluster.informer(EXTERNAL_MODEL))
        external.follows(
            cluster.informer(EXTERNAL_PROVIDER), lambda change: models_of_provider(self._view, change.latest)
        )

        def written_for(change: Change) -> list[Key]:
            name = labels(change.latest).get(EXTERNAL_LABEL)
            return [Key(change.latest["metadata"]["namespace"], name)] if name and spec_moved(change) else []

        for kind in (HTTP_ROUTE, SERVICE):
            for controller in (legacy, external):
                controller.follows(cluster.informer(kind), written_for)

    def of_spaces(self, controller: Controller) -> None:
        """The platform's namespaces: their end, and that of the wait for the control namespace."""
        settings = self._view.settings
        own = {settings.control, settings.tenants, settings.infra}
        controller.follows(
            self._cluster.informer(NAMESPACE),
            lambda change: [key_of(change.latest)] if change.latest["metadata"]["name"] in own else [],
        )

    def of_webhook(self, controller: Controller) -> None:
        """The webhook's registration: the namespace of the controller, and what somebody does to its objects there."""
        cluster, home = self._cluster, Key("", self._view.settings.control)

        def at_home(change: Change) -> list[Key]:
            ours = change.latest["metadata"].get("namespace") == home.name and is_ours(change)
            return [home] if ours and spec_moved(change) else []

        controller.owns(cluster.informer(NAMESPACE))
        for kind in (SERVICE, ENDPOINT_SLICE):
            controller.follows(cluster.informer(kind), at_home)
        controller.follows(cluster.informer(VALIDATING_WEBHOOKS), lambda change: [home] if is_ours(change) else [])

    def of_tenants(self, tenants: Controller, configs: Controller) -> None:
        """AITenants and MaasTenantConfigs: each other, their gateways and namespaces, and maas-api's endpoints."""
        cluster = self._cluster
        tenants.owns(cluster.informer(AI_TENANT))
        configs.owns(cluster.informer(MAAS_TENANT_CONFIG))

        def every(kind: Kind) -> Mapping:
            return lambda _: [key_of(manifest) for manifest in cluster.store(kind).all()]

        def in_infra(change: Change) -> list[Key]:
            if change.latest["metadata"].get("namespace") != self._view.settings.infra:
                return []
            return [key_of(manifest) for manifest in cluster.store(MAAS_TENANT_CONFIG).all()]

        for kind in (AI_TENANT, GATEWAY, MAAS_TENANT_CONFIG):
            tenants.follows(cluster.informer(kind), every(AI_TENANT))
        for kind in (AI_TENANT, GATEWAY):
            configs.follows(cluster.informer(kind), every(MAAS_TENANT_CONFIG))
        for controller, kind in ((tenants, AI_TENANT), (configs, MAAS_TENANT_CONFIG)):
            controller.follows(cluster.informer(NAMESPACE), self._where_tenants_live(every(kind)))
        tenants.follows(cluster.informer(ROLE), lambda change: every(AI_TENANT)(change) if is_ours(change) else [])
        configs.follows(cluster.informer(ENDPOINT_SLICE), in_infra)

    def of_gateways(self, controller: Controller) -> None:
        """Gateways: themselves, what was written for them, and tenants."""
        gateways = self._cluster.informer(GATEWAY)
        controller.owns(gateways)

        def every(_: Change) -> list[Key]:
            return list(dict.fromkeys(self._view.tenants().values()))

        def drifted(change: Change) -> list[Key]:
            return every(change) if model_of_policy(change.latest) is None and spec_moved(change) else []

        for kind in (AUTH_POLICY, TOKEN_RATE_LIMIT_POLICY):
            controller.follows(self._cluster.informer(kind), drifted)
        controller.follows(
            self._cluster.informer(HTTP_ROUTE),
            lambda change: every(change) if change.latest["metadata"]["namespace"] == self._view.settings.infra else [],
        )
        controller.follows(self._cluster.informer(AI_TENANT), every)
        controller.follows(self._cluster.informer(NAMESPACE), self._where_tenants_live(every))

    def _on_placement(self, controller: Controller, kind: Kind) -> None:
        """Tenants and tenant namespaces change rarely and move much: look at everything again."""

        def every(change: Change) -> list[Key]:
            if change.old is not None and change.new is not None and labels(change.old) == labels(change.new):
                moved = status(change.old).get("gatewayRef") != status(change.new).get("gatewayRef")
                if not moved:
                    return []
            return [key_of(manifest) for manifest in self._cluster.store(kind).all()]

        controller.follows(self._cluster.informer(AI_TENANT), every)
        controller.follows(self._cluster.informer(NAMESPACE), self._where_tenants_live(every))

    def _where_tenants_live(self, keys: Mapping) -> Mapping:
        """Namespaces come and go by the dozen; only those of tenants and of the platform matter."""
        settings = self._view.settings
        own = {settings.infra, settings.tenants, settings.subscriptions}

        def concerned(change: Change) -> Iterable[Key]:
            spaces = list(change.both())
            ours = any(space["metadata"]["name"] in own or TENANT_LABEL in labels(space) for space in spaces)
            return keys(change) if ours else []

        return concerned

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
