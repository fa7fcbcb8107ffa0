"""What a change means: whether it matters, and to which models."""

from collections.abc import Callable, Iterable

from harness.simulator.controllers.maas.names import MANAGED_BY, MANAGER, Settings, model_of_policy
from harness.simulator.controllers.maas.view import TENANT_LABEL, by_backend, by_priority, referenced_models
from harness.simulator.controllers.runtime.condition import find, holds
from harness.simulator.controllers.runtime.manifest import Key, Manifest, generation, is_deleting, labels, status
from harness.simulator.controllers.runtime.store import Change

Mapping = Callable[[Change], Iterable[Key]]


def models_whose_governance_moved(change: Change) -> list[Key]:
    """Models that a subscription or policy names now and did not before, or the other way round."""
    old, new = (live_models(manifest) for manifest in (change.old, change.new))
    return sorted(old ^ new)


def models_whose_limits_moved(change: Change) -> list[Key]:
    """Models of a subscription whose spec changed, or that came or went."""
    if change.old is not None and change.new is not None and not spec_moved(change):
        return []
    return [model for manifest in change.both() for model in referenced_models(manifest)]


def models_whose_policy_drifted(change: Change) -> list[Key]:
    """The model of a TokenRateLimitPolicy that somebody deleted, edited or relabelled."""
    model = model_of_policy(change.latest) or (model_of_policy(change.old) if change.old is not None else None)
    return [model] if model is not None and (spec_moved(change) or metadata_moved(change)) else []


def live_models(manifest: Manifest | None) -> set[Key]:
    """Models that an object names, none once it is being deleted."""
    return set() if manifest is None or is_deleting(manifest) else set(referenced_models(manifest))


def priority(manifest: Manifest | None) -> object:
    """A subscription's namespace and priority, None once it is being deleted."""
    return None if manifest is None or is_deleting(manifest) else next(iter(by_priority(manifest)))


def placement_moved(change: Change) -> bool:
    """Whether something about a model changed that whoever lists it must hear of: its backend or its life."""
    old, new = change.old, change.new
    if old is None or new is None:
        return True
    fields = ("httpRouteName", "httpRouteGatewayName", "httpRouteGatewayNamespace")
    moved = any(status(old).get(name) != status(new).get(name) for name in fields)
    return moved or is_deleting(old) != is_deleting(new) or list(by_backend(old)) != list(by_backend(new))


def spec_moved(change: Change) -> bool:
    """Whether an object came, went, is going, or has another spec."""
    old, new = change.old, change.new
    return old is None or new is None or generation(old) != generation(new) or is_deleting(old) != is_deleting(new)


def metadata_moved(change: Change) -> bool:
    """Whether labels, annotations or owners changed."""
    if change.old is None or change.new is None:
        return True
    fields = ("labels", "annotations", "ownerReferences")
    return any(change.old["metadata"].get(name) != change.new["metadata"].get(name) for name in fields)


def is_ours(change: Change) -> bool:
    """Whether the MaaS controller wrote the object."""
    return labels(change.latest).get(MANAGED_BY) == MANAGER


def standing(policy: Manifest | None) -> object:
    """What the gateway says of a policy, without the generation it speaks of."""
    if policy is None:
        return None
    conditions = status(policy).get("conditions")
    return [(find(conditions, kind) or {}).get("status") for kind in ("Accepted", "Enforced")]


def is_settled(subscription: Manifest) -> bool:
    """Whether a subscription is Active in its latest form, so that good news about its policies is no news to it."""
    if is_deleting(subscription) or status(subscription).get("phase") != "Active":
        return False
    return holds(status(subscription).get("conditions"), "Ready", generation(subscription))


def where_tenants_live(settings: Settings, keys: Mapping) -> Mapping:
    """`keys`, for namespaces of tenants and of the platform alone: others come and go by the dozen."""
    own = {settings.infra, settings.tenants, settings.subscriptions}

    def concerned(change: Change) -> Iterable[Key]:
        spaces = list(change.both())
        ours = any(space["metadata"]["name"] in own or TENANT_LABEL in labels(space) for space in spaces)
        return keys(change) if ours else []

    return concerned
