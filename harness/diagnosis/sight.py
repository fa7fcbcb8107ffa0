"""The objects of a platform as one reading of them, kind by kind when a step first asks."""

from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from harness.kube.cluster import Cluster
from harness.kube.fault import Rejected
from harness.kube.manifest import Manifest, Ref, condition
from harness.platforms.inventory import MAAS_GATEWAY, MODEL_SERVICE_VERSIONS
from harness.platforms.platform import Namespaces

_MAAS: Final = "maas.opendatahub.io/v1alpha1"
KINDS: Final[dict[str, tuple[str, ...]]] = {
    "LLMInferenceService": MODEL_SERVICE_VERSIONS,
    "ExternalModel": ("inference.opendatahub.io/v1alpha1", _MAAS),
    "MaaSModelRef": (_MAAS,),
    "MaaSSubscription": (_MAAS,),
    "MaaSAuthPolicy": (_MAAS,),
    "AITenant": (_MAAS,),
    "Gateway": ("gateway.networking.k8s.io/v1",),
    "HTTPRoute": ("gateway.networking.k8s.io/v1",),
    "AuthPolicy": ("kuadrant.io/v1",),
    "TokenRateLimitPolicy": ("kuadrant.io/v1alpha1",),
    "Deployment": ("apps/v1",),
    "Pod": ("v1",),
}
SERVING: Final = frozenset({"Active", "Degraded"})
"""Phases of subscriptions and policies in which they have effect."""


class Unseen(Exception):  # noqa: N818 - not an error of anybody: this identity may not look
    """The kubeconfig's identity may not list a kind."""


class Sight:
    """Reads each kind once, in all namespaces. A kind that the server lacks has no objects; one that may not be read raises Unseen."""

    def __init__(self, cluster: Cluster, places: Namespaces) -> None:
        self.cluster = cluster
        self.places = places
        self._seen: dict[str, list[Manifest]] = {}

    @property
    def is_remote(self) -> bool:
        """Whether the platform is a cluster rather than processes of this machine."""
        return urlsplit(self.cluster.host).hostname not in ("127.0.0.1", "localhost")

    def all(self, kind: str) -> list[Manifest]:
        """Every object of a kind."""
        if kind not in self._seen:
            self._seen[kind] = [item for version in KINDS[kind] for item in self._list(version, kind)]
            if kind == "LLMInferenceService":  # served under several versions, stored once
                self._seen[kind] = list({identity(item): item for item in self._seen[kind]}.values())
        return self._seen[kind]

    def _list(self, version: str, kind: str) -> list[Manifest]:
        try:
            return self.cluster.objects(version, kind)
        except Rejected as error:
            if error.status == 404:
                return []
            if error.status == 403:
                raise Unseen(f"the kubeconfig's identity may not list {kind} of {version}") from error
            raise

    def seen(self, kind: str) -> list[Manifest]:
        """As many objects of a kind as this identity may see: where they help and are not the question."""
        try:
            return self.all(kind)
        except Unseen:
            return []

    def one(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """One object; None when it does not exist."""
        return next((item for item in self.all(kind) if identity(item) == (namespace, name)), None)

    def having(self, kind: str, holds: Callable[[Manifest], bool]) -> list[Manifest]:
        """Those of a kind for which something holds."""
        return [item for item in self.all(kind) if holds(item)]

    def gateways(self) -> list[tuple[str, str]]:
        """Namespace and name of every gateway with MaaS policies: the tenants' own; without tenants the installer's."""
        claimed = [(tenant.get("status") or {}).get("gatewayRef") or {} for tenant in self.seen("AITenant")]
        found = [(ref.get("namespace") or self.places.gateway, ref["name"]) for ref in claimed if ref.get("name")]
        return found or [(self.places.gateway, MAAS_GATEWAY)]

    def tenant_namespaces(self) -> set[str]:
        """Where subscriptions and policies have effect: in other namespaces nobody reads them."""
        named = {str((tenant.get("status") or {}).get("tenantNamespace") or "") for tenant in self.seen("AITenant")}
        return (named - {""}) or {self.places.subscriptions}


def identity(manifest: Manifest) -> tuple[str, str]:
    """Namespace and name."""
    metadata = manifest["metadata"]
    return str(metadata.get("namespace", "")), str(metadata["name"])


def called(manifest: Manifest) -> str:
    """`Kind namespace/name`, as a sentence names it."""
    return str(Ref.of(manifest))


def phase(manifest: Manifest) -> str:
    """`status.phase`; empty when there is none yet."""
    return str((manifest.get("status") or {}).get("phase") or "")


def doomed(manifest: Manifest) -> bool:
    """Whether it is being deleted: it has no effect any more."""
    return "deletionTimestamp" in manifest["metadata"]


def lists(manifest: Manifest, model: Manifest) -> bool:
    """Whether a subscription or policy names this MaaSModelRef."""
    return identity(model) in {
        (str(ref.get("namespace")), str(ref.get("name"))) for ref in manifest["spec"].get("modelRefs") or ()
    }


def unreconciled(manifest: Manifest, kind: str = "Ready") -> str | None:
    """Why the status does not speak of the object as it is now, in words; None when it does."""
    generation = manifest["metadata"].get("generation")
    entry = condition(manifest, kind)
    if entry is None:
        return f"its status has no condition {kind}"
    seen = entry.get("observedGeneration") or (manifest.get("status") or {}).get("observedGeneration")
    if generation is not None and seen is not None and seen < generation:
        return f"its status speaks of generation {seen}, the object is at {generation}"
    return None


def words(entry: Any) -> str:
    """A condition's reason and message."""
    return ": ".join(str(entry[name]) for name in ("reason", "message") if (entry or {}).get(name)) or "no reason given"


def not_true(manifest: Manifest, kinds: Iterable[str]) -> tuple[str, str] | None:
    """The first of these conditions that is not True, and why; None when all are."""
    for kind in kinds:
        entry = condition(manifest, kind)
        if entry is None:
            return kind, "the condition is absent: no controller has judged it"
        if entry.get("status") != "True":
            return kind, words(entry)
    return None
