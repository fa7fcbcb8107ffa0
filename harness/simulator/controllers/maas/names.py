"""Names, labels and finalizers of what the MaaS controller writes."""

from dataclasses import dataclass

from harness.simulator.controllers.maas.quirks import Quirks
from harness.simulator.controllers.runtime.manifest import Key, Manifest

MANAGER = "maas-controller"
MODEL_FINALIZER = "maas.opendatahub.io/model-cleanup"
SUBSCRIPTION_FINALIZER = "maas.opendatahub.io/subscription-cleanup"
ACCESS_FINALIZER = "maas.opendatahub.io/authpolicy-cleanup"
TENANT_FINALIZER = "maas.opendatahub.io/aitenant-cleanup"
MODEL_LABEL = "maas.opendatahub.io/model"
MODEL_NAMESPACE_LABEL = "maas.opendatahub.io/model-namespace"
SUBSCRIPTIONS_ANNOTATION = "maas.opendatahub.io/subscriptions"
MANAGED_BY = "app.kubernetes.io/managed-by"
DEFAULT_TENANT = "models-as-a-service"


@dataclass(frozen=True, slots=True)
class Settings:
    """How the controller is installed; the defaults are those of the upstream installer.

    `deletion_timeout_s`: how long the deletion of a tenant may be blocked before it is forced; 0 never forces it.
    """

    control: str = "opendatahub"
    subscriptions: str = "models-as-a-service"
    gateway: Key = Key("openshift-ingress", "maas-default-gateway")  # noqa: RUF009 - a tuple: immutable
    infra: str = "odh-ai-gateway-infra"
    tenants: str = "ai-tenants"
    audience: str = "https://kubernetes.default.svc"
    quirks: Quirks = frozenset()
    api_image: str = "maas-conformance/reference:dev"
    api_account: str = "maas-reference"
    deletion_timeout_s: float = 600.0


def policy_name(model: Key) -> str:
    """Name of a model's TokenRateLimitPolicy."""
    return f"maas-trlp-{model.name}"


def policy_labels(model: Key) -> dict[str, str]:
    """Labels of a model's TokenRateLimitPolicy."""
    return {
        MODEL_LABEL: model.name,
        MODEL_NAMESPACE_LABEL: model.namespace,
        MANAGED_BY: MANAGER,
        "app.kubernetes.io/part-of": "maas-subscription",
        "app.kubernetes.io/component": "token-rate-limit-policy",
    }


def limit_name(subscription: Key, model: Key) -> str:
    """Name of a subscription's limit inside a model's policy."""
    return f"{subscription.namespace}-{subscription.name}-{model.name}-tokens"


def selected_subscription(subscription: Key, model: Key) -> str:
    """What the authorizer puts into `selected_subscription_key`, and the limit's condition compares."""
    return f"{subscription}@{model}"


def model_of_policy(policy: Manifest) -> Key | None:
    """The MaaSModelRef that a policy was written for; None for policies of other hands."""
    labels = policy["metadata"].get("labels") or {}
    if labels.get(MANAGED_BY) != MANAGER or MODEL_LABEL not in labels:
        return None
    return Key(labels.get(MODEL_NAMESPACE_LABEL, ""), labels[MODEL_LABEL])
