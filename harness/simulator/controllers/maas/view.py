"""What the MaaS reconcilers ask of the objects they know: who references whom, and which gateway serves whom."""

from collections.abc import Iterable

from harness.simulator.controllers.maas.names import DEFAULT_TENANT, Settings, model_of_policy
from harness.simulator.controllers.maas.quirks import Quirk
from harness.simulator.controllers.runtime.cluster import Cluster
from harness.simulator.controllers.runtime.kind import (
    AI_TENANT,
    AUTH_POLICY,
    CONFIG,
    CRON_JOB,
    DEPLOYMENT,
    EXTERNAL_MODEL,
    GATEWAY,
    HTTP_ROUTE,
    JOB,
    LEGACY_EXTERNAL_MODEL,
    LEGACY_TENANT,
    LLM_INFERENCE_SERVICE,
    MAAS_AUTH_POLICY,
    MAAS_MODEL_REF,
    MAAS_SUBSCRIPTION,
    MAAS_TENANT_CONFIG,
    NAMESPACE,
    SECRET,
    SERVICE,
    TOKEN_RATE_LIMIT_POLICY,
)
from harness.simulator.controllers.runtime.manifest import Key, Manifest, is_deleting, key_of, labels, spec, status

TENANT_LABEL = "maas.opendatahub.io/managed-by-aitenant"
TENANT_NAME_LABEL = "maas.opendatahub.io/tenant-name"


def referenced_models(manifest: Manifest) -> list[Key]:
    """Models that a MaaSSubscription or MaaSAuthPolicy lists, each once, in order."""
    refs = spec(manifest).get("modelRefs") or ()
    return list(dict.fromkeys(Key(ref.get("namespace") or "", ref.get("name") or "") for ref in refs))


def by_priority(subscription: Manifest) -> Iterable[object]:
    """Index of subscriptions by namespace and priority."""
    return [(subscription["metadata"]["namespace"], int(spec(subscription).get("priority") or 0))]


def by_routed_service(route: Manifest) -> Iterable[object]:
    """Index of routes by the LLMInferenceService that their labels name."""
    found = labels(route)
    if found.get("app.kubernetes.io/component") != "llminferenceservice-router":
        return []
    if found.get("app.kubernetes.io/part-of") != "llminferenceservice" or "app.kubernetes.io/name" not in found:
        return []
    return [Key(route["metadata"]["namespace"], found["app.kubernetes.io/name"])]


def by_backend(model: Manifest) -> Iterable[object]:
    """Index of models by the kind and key of their backend."""
    reference = spec(model).get("modelRef") or {}
    return [(reference.get("kind"), Key(model["metadata"]["namespace"], reference.get("name") or ""))]


def by_alias(model: Manifest) -> Iterable[object]:
    """Index of models by namespace and resolved alias."""
    alias = status(model).get("resolvedModelAlias")
    return [(model["metadata"]["namespace"], alias)] if alias else []


def by_model(policy: Manifest) -> Iterable[object]:
    """Index of TokenRateLimitPolicies by the model that they were written for."""
    model = model_of_policy(policy)
    return [model] if model is not None else []


def by_target(policy: Manifest) -> Iterable[object]:
    """Index of AuthPolicies by the kind and key of what they protect."""
    target = spec(policy).get("targetRef") or {}
    return [(target.get("kind"), Key(policy["metadata"]["namespace"], target.get("name") or ""))]


def listens_to(cluster: Cluster) -> None:
    """Ask for every kind and index that the view needs."""
    cluster.informer(MAAS_MODEL_REF, {"backend": by_backend, "alias": by_alias})
    cluster.informer(MAAS_SUBSCRIPTION, {"model": referenced_models, "priority": by_priority})
    cluster.informer(MAAS_AUTH_POLICY, {"model": referenced_models})
    cluster.informer(HTTP_ROUTE, {"service": by_routed_service})
    cluster.informer(TOKEN_RATE_LIMIT_POLICY, {"model": by_model})
    cluster.informer(AUTH_POLICY, {"target": by_target})
    for kind in (
        GATEWAY,
        LLM_INFERENCE_SERVICE,
        AI_TENANT,
        MAAS_TENANT_CONFIG,
        NAMESPACE,
        EXTERNAL_MODEL,
        LEGACY_EXTERNAL_MODEL,
        LEGACY_TENANT,
        CONFIG,
        DEPLOYMENT,
        SERVICE,
        SECRET,
        CRON_JOB,
        JOB,
    ):
        cluster.informer(kind)


class View:
    """Questions that several reconcilers share, answered from memory."""

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        self.cluster = cluster
        self.settings = settings

    def tenant_of(self, namespace: str) -> str | None:
        """The tenant whose subscriptions and policies live in the namespace; None where there is none."""
        if namespace == self.settings.subscriptions:
            return DEFAULT_TENANT
        found = self.cluster.store(NAMESPACE).get(Key("", namespace))
        if found is None or labels(found).get(TENANT_LABEL) != "true":
            return None
        return labels(found).get(TENANT_NAME_LABEL) or namespace

    def gateway_of_tenant(self, tenant: str) -> Key:
        """The gateway of a tenant; the default one for the default tenant and for a tenant that is not known."""
        found = self.cluster.store(AI_TENANT).get(Key(self.settings.tenants, tenant))
        reference = status(found).get("gatewayRef") if found is not None else None
        if reference:
            return Key(reference["namespace"], reference["name"])
        if tenant == DEFAULT_TENANT or found is None:
            return self.settings.gateway
        return Key(self.settings.gateway.namespace, (spec(found).get("gateway") or {}).get("name") or tenant)

    def tenant_of_model(self, model: Manifest) -> str:
        """The tenant that serves a model: the one it names, the one whose namespace it is in, else the default one."""
        return str(spec(model).get("tenantRef") or self.tenant_of(model["metadata"]["namespace"]) or DEFAULT_TENANT)

    def gateway_of_model(self, model: Manifest) -> Key:
        """The gateway that has to serve a model."""
        return self.gateway_of_tenant(self.tenant_of_model(model))

    def tenants(self) -> dict[str, Key]:
        """Every tenant that has a gateway of its own, and that gateway; failed claims do not count."""
        found = self.cluster.store(AI_TENANT).all(self.settings.tenants)
        named = {one["metadata"]["name"] for one in found if status(one).get("phase") in ("Active", "Pending")}
        return {tenant: self.gateway_of_tenant(tenant) for tenant in sorted(named | {DEFAULT_TENANT})}

    def model(self, key: Key) -> Manifest | None:
        """A MaaSModelRef that is there to stay."""
        found = self.cluster.store(MAAS_MODEL_REF).get(key)
        return None if found is None or is_deleting(found) else found

    def subscriptions_of(self, model: Key) -> list[Manifest]:
        """Live subscriptions of tenants that list the model."""
        return self._live(self.cluster.store(MAAS_SUBSCRIPTION).by("model", model))

    def policies_of(self, model: Key) -> list[Manifest]:
        """Live access policies of tenants that list the model."""
        return self._live(self.cluster.store(MAAS_AUTH_POLICY).by("model", model))

    def peers_of(self, subscription: Manifest) -> list[Manifest]:
        """Other live subscriptions of the namespace with the same priority."""
        own = key_of(subscription)
        same = self.cluster.store(MAAS_SUBSCRIPTION).by("priority", next(iter(by_priority(subscription))))
        return [other for other in self._live(same) if key_of(other) != own]

    def limit_policy(self, model: Key) -> Manifest | None:
        """The model's TokenRateLimitPolicy."""
        found = self.cluster.store(TOKEN_RATE_LIMIT_POLICY).by("model", model)
        return found[0] if found else None

    def models_behind_route(self, route: Manifest) -> list[Key]:
        """Models whose backend the route leads to."""
        store = self.cluster.store(MAAS_MODEL_REF)
        found = [
            key_of(model)
            for service in by_routed_service(route)
            for model in store.by("backend", ("LLMInferenceService", service))
        ]
        name = route["metadata"]["name"]
        names = {name, name.removeprefix("maas-")}
        for candidate in names:
            key = Key(route["metadata"]["namespace"], candidate)
            found += [key_of(model) for model in store.by("backend", ("ExternalModel", key))]
        return found

    def elder_on_route(self, model: Manifest, route: Manifest) -> Key | None:
        """An older model behind the same route. A route has one effective policy, the newest: only the elder may have one, or
        whoever registers a model a second time would lift the limits of everybody on the first.
        """
        if Quirk.NEWEST_REGISTRATION_WINS in self.settings.quirks:
            return None
        others = (self.model(key) for key in self.models_behind_route(route) if key != key_of(model))
        elders = [other for other in others if other is not None and _age(other) < _age(model)]
        return key_of(min(elders, key=_age)) if elders else None

    def _live(self, found: Iterable[Manifest]) -> list[Manifest]:
        return [one for one in found if not is_deleting(one) and self.tenant_of(one["metadata"]["namespace"])]


def _age(manifest: Manifest) -> tuple[str, str]:
    """Orders objects of one kind and namespace by creation, then by name."""
    return str(manifest["metadata"].get("creationTimestamp") or ""), manifest["metadata"]["name"]
