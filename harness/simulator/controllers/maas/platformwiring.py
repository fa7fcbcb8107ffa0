"""Which change wakes the reconcilers of gateways, tenants, outside providers, and of the controller's own objects."""

from harness.simulator.controllers.maas.changes import (
    Mapping,
    is_ours,
    spec_moved,
    where_tenants_live,
)
from harness.simulator.controllers.maas.names import model_of_policy
from harness.simulator.controllers.maas.provider import MODEL_LABEL as EXTERNAL_LABEL
from harness.simulator.controllers.maas.provider import PROVIDER_LABEL
from harness.simulator.controllers.maas.reconciler_external import (
    models_of_provider,
)
from harness.simulator.controllers.maas.view import (
    TENANT_NAME_LABEL,
    View,
)
from harness.simulator.controllers.runtime.controller import Controller
from harness.simulator.controllers.runtime.kind import (
    AI_TENANT,
    AUTH_POLICY,
    CONFIG,
    CRON_JOB,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EXTERNAL_MODEL,
    EXTERNAL_PROVIDER,
    GATEWAY,
    HTTP_ROUTE,
    JOB,
    LEGACY_EXTERNAL_MODEL,
    MAAS_TENANT_CONFIG,
    NAMESPACE,
    ROLE,
    SECRET,
    SERVICE,
    TELEMETRY_POLICY,
    TOKEN_RATE_LIMIT_POLICY,
    VALIDATING_WEBHOOKS,
    Kind,
)
from harness.simulator.controllers.runtime.manifest import (
    Key,
    key_of,
    labels,
)
from harness.simulator.controllers.runtime.store import Change, Store

TENANT_NAMESPACE_LABEL = "maas.opendatahub.io/tenant-namespace"


class PlatformWiring:
    """Maps changes of one kind to keys of another."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._cluster = view.cluster

    def of_external(self, legacy: Controller, external: Controller, providers: Controller) -> None:
        """External models: their providers, and drift of what was written for them."""
        cluster = self._cluster
        legacy.owns(cluster.informer(LEGACY_EXTERNAL_MODEL))
        external.owns(cluster.informer(EXTERNAL_MODEL))
        external.follows(
            cluster.informer(EXTERNAL_PROVIDER), lambda change: models_of_provider(self._view, change.latest)
        )

        providers.owns(cluster.informer(EXTERNAL_PROVIDER))

        def written_for(label: str) -> Mapping:
            def keys(change: Change) -> list[Key]:
                name = labels(change.latest).get(label)
                return [Key(change.latest["metadata"]["namespace"], name)] if name and spec_moved(change) else []

            return keys

        for kind in (HTTP_ROUTE, SERVICE):
            for controller in (legacy, external):
                controller.follows(cluster.informer(kind), written_for(EXTERNAL_LABEL))
        providers.follows(cluster.informer(SERVICE), written_for(PROVIDER_LABEL))

    def of_spaces(self, controller: Controller) -> None:
        """The platform's namespaces: their end, and that of the wait for the control namespace."""
        settings = self._view.settings
        own = {settings.control, settings.tenants, settings.infra}
        controller.follows(
            self._cluster.informer(NAMESPACE),
            lambda change: [key_of(change.latest)] if change.latest["metadata"]["name"] in own else [],
        )

    def of_lifetime(self, controller: Controller) -> None:
        """The platform's own beginning and end: its namespaces, its Config, its Deployment, and the last tenant's end."""
        settings = self._view.settings
        home = [Key("", settings.control)]

        def here(change: Change) -> list[Key]:
            return home if change.latest["metadata"].get("namespace") == settings.control else []

        def named(change: Change) -> list[Key]:
            return home if change.latest["metadata"]["name"] in (settings.control, settings.tenants) else []

        controller.follows(self._cluster.informer(NAMESPACE), named)
        controller.follows(self._cluster.informer(DEPLOYMENT), here)
        for kind in (CONFIG, AI_TENANT):
            controller.follows(self._cluster.informer(kind), lambda _: home)

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
            """A tenant's own workloads wake its configuration alone; what all lean on wakes all of them."""
            if change.latest["metadata"].get("namespace") != self._view.settings.infra:
                return []
            space = labels(change.latest).get(TENANT_NAMESPACE_LABEL)
            found = cluster.store(MAAS_TENANT_CONFIG).all(space) if space else cluster.store(MAAS_TENANT_CONFIG).all()
            return [key_of(manifest) for manifest in found]

        def of_job(change: Change) -> list[Key]:
            name = labels(change.latest).get(TENANT_NAME_LABEL)
            return [Key(self._view.settings.tenants, name)] if name and is_ours(change) else []

        for kind in (AI_TENANT, GATEWAY, MAAS_TENANT_CONFIG):
            tenants.follows(cluster.informer(kind), every(AI_TENANT))
        for kind in (AI_TENANT, GATEWAY):
            configs.follows(cluster.informer(kind), every(MAAS_TENANT_CONFIG))
        for controller, kind in ((tenants, AI_TENANT), (configs, MAAS_TENANT_CONFIG)):
            controller.follows(cluster.informer(NAMESPACE), where_tenants_live(self._view.settings, every(kind)))
        tenants.follows(cluster.informer(ROLE), lambda change: every(AI_TENANT)(change) if is_ours(change) else [])
        tenants.follows(cluster.informer(JOB), of_job)
        for kind in (ENDPOINT_SLICE, DEPLOYMENT, SERVICE, SECRET, CRON_JOB):
            configs.follows(cluster.informer(kind), in_infra)
        for kind in (AUTH_POLICY, TOKEN_RATE_LIMIT_POLICY):
            configs.follows(cluster.informer(kind), first_of_its_kind(cluster.store(kind), every(MAAS_TENANT_CONFIG)))

    def of_gateways(self, controller: Controller) -> None:
        """Gateways: themselves, what was written for them, and tenants."""
        gateways = self._cluster.informer(GATEWAY)
        controller.owns(gateways)

        def every(_: Change) -> list[Key]:
            return list(dict.fromkeys(self._view.tenants().values()))

        def drifted(change: Change) -> list[Key]:
            return every(change) if model_of_policy(change.latest) is None and spec_moved(change) else []

        for kind in (AUTH_POLICY, TOKEN_RATE_LIMIT_POLICY, TELEMETRY_POLICY):
            controller.follows(self._cluster.informer(kind), drifted)
        controller.follows(self._cluster.informer(MAAS_TENANT_CONFIG), every)
        controller.follows(
            self._cluster.informer(HTTP_ROUTE),
            lambda change: every(change) if change.latest["metadata"]["namespace"] == self._view.settings.infra else [],
        )
        controller.follows(self._cluster.informer(AI_TENANT), every)
        controller.follows(self._cluster.informer(NAMESPACE), where_tenants_live(self._view.settings, every))


def first_of_its_kind(store: Store, keys: Mapping) -> Mapping:
    """`keys`, when the first object of a kind appears: a kind that was not served may be so by now."""
    return lambda change: keys(change) if change.old is None and len(store.all()) == 1 else []
