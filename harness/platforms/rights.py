"""What checks do in a cluster, by the need that covers it: `plan` prints it, and opening the cluster target tries it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from harness.kube.access import Permission, may
from harness.kube.cluster import Cluster
from harness.platforms.platform import Namespaces, Need

Place = Literal["subscriptions", "models", "gateway", "infra", "ai-tenants"]
AI_TENANTS: Final = "ai-tenants"
"""The namespace of every tenant's AITenant; the controller of MaaS looks nowhere else."""
MANAGE: Final = ("create", "patch", "delete")
"""Server-side apply of something new is a patch and a creation; what was made has to go again."""
TOLD: Final = 4
"""Missing permissions that a refusal names; the rest is counted."""

APPS, BATCH, KUADRANT = "apps", "batch", "kuadrant.io"
GATEWAY_API = "gateway.networking.k8s.io"
MAAS, INFERENCE = "maas.opendatahub.io", "inference.opendatahub.io"


@dataclass(frozen=True, slots=True)
class Ask:
    """Verbs on resources of one API group, in one namespace of the platform or (None) in every namespace."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...] = MANAGE
    place: Place | None = None

    def permissions(self, places: Namespaces) -> tuple[Permission, ...]:
        """Each verb on each resource, as the API's reviews take them."""
        namespace = None if self.place is None else {AI_TENANTS: AI_TENANTS, **places.model_dump()}[self.place]
        return tuple(
            Permission(verb, resource, self.group, namespace) for resource in self.resources for verb in self.verbs
        )


ASKS: Final[Mapping[Need, tuple[Ask, ...]]] = {
    "kube": (
        Ask("", ("namespaces", "serviceaccounts")),
        Ask("", ("serviceaccounts/token",), ("create",)),
        # in the namespace of subscriptions, and in namespaces of the run where none belong
        Ask(MAAS, ("maassubscriptions", "maasauthpolicies")),
        # what the checks of schemas make, in namespaces of the run
        Ask(MAAS, ("maastenantconfigs", "externalmodels", "aitenants", "configs")),
        Ask(INFERENCE, ("externalmodels", "externalproviders")),
    ),
    "administrators": (Ask("rbac.authorization.k8s.io", ("roles", "rolebindings"), place="subscriptions"),),
    "models": (
        # beside the platform's models, and in namespaces of the run
        Ask("serving.kserve.io", ("llminferenceservices",)),
        Ask(MAAS, ("maasmodelrefs",)),
    ),
    "tiers": (Ask("authorization.k8s.io", ("subjectaccessreviews",), ("create",)),),
    "components": (
        Ask(APPS, ("deployments",), ("list", "patch")),
        Ask("", ("pods",), ("list", "delete")),
    ),
    "tenants": (
        Ask(GATEWAY_API, ("gateways",), place="gateway"),
        Ask(MAAS, ("aitenants",), place=AI_TENANTS),
        Ask(MAAS, ("maassubscriptions", "maasauthpolicies")),
        Ask(APPS, ("deployments",), ("patch", "delete"), place="infra"),
        Ask(BATCH, ("jobs",), place="infra"),
        Ask("", ("configmaps",), place="infra"),
        Ask(BATCH, ("cronjobs",), ("patch",), place="infra"),
    ),
    "providers": (
        Ask(APPS, ("deployments",), place="models"),
        Ask("", ("services", "secrets"), place="models"),
        Ask(MAAS, ("maasmodelrefs", "externalmodels"), place="models"),
        Ask(INFERENCE, ("externalmodels", "externalproviders"), place="models"),
    ),
    "disposable": (
        Ask("admissionregistration.k8s.io", ("validatingwebhookconfigurations",)),
        Ask(MAAS, ("maassubscriptions/status",), ("patch",)),
        Ask(GATEWAY_API, ("httproutes",), place="models"),
        Ask(KUADRANT, ("authpolicies", "tokenratelimitpolicies"), place="models"),
        Ask(KUADRANT, ("authpolicies",), ("patch",), place="gateway"),
        Ask(GATEWAY_API, ("gateways",), place="gateway"),
    ),
}


def rights_needed(places: Namespaces) -> dict[Need, tuple[Permission, ...]]:
    """What each need asks of the kubeconfig's identity; needs that ask nothing of it are left out."""
    return {need: tuple(right for ask in asks for right in ask.permissions(places)) for need, asks in ASKS.items()}


def refusals(cluster: Cluster, places: Namespaces) -> dict[Need, str]:
    """The needs whose rights the kubeconfig's identity lacks, each with a sentence that names what is missing."""
    found: dict[Need, str] = {}
    for need, rights in rights_needed(places).items():
        missing = [str(right) for right in rights if not may(cluster, right)]
        if missing:
            more = f"; nor {len(missing) - TOLD} more" if len(missing) > TOLD else ""
            found[need] = f"the kubeconfig's identity may not {'; nor '.join(missing[:TOLD])}{more}"
    return found
