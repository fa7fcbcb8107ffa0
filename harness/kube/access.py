"""Identities and permissions: ServiceAccounts with tokens, and what the present identity may do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harness.kube.cluster import Cluster
from harness.kube.manifest import Ref

DEFAULT_AUDIENCE: Final = "https://kubernetes.default.svc"


@dataclass(frozen=True, slots=True)
class Permission:
    """One thing to be allowed or not; `resource` may carry a subresource (`serviceaccounts/token`)."""

    verb: str
    resource: str
    group: str = ""
    namespace: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        named = f" {self.name}" if self.name else ""
        return f"{self.verb} {kind}{named}" + (f" in namespace {self.namespace}" if self.namespace else "")

    def attributes(self) -> dict[str, str]:
        """As the reviews of the authorization API ask for it."""
        resource, _, subresource = self.resource.partition("/")
        parts = {
            "verb": self.verb,
            "group": self.group,
            "resource": resource,
            "subresource": subresource,
            "namespace": self.namespace or "",
            "name": self.name or "",
        }
        return {key: value for key, value in parts.items() if value}


def may(cluster: Cluster, permission: Permission) -> bool:
    """Ask the server (SelfSubjectAccessReview) whether the present identity has this permission."""
    review = cluster.post(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": permission.attributes()},
        },
        what=f"review whether this identity may {permission}",
    )
    return bool((review.get("status") or {}).get("allowed"))


def may_as(cluster: Cluster, permission: Permission, *, user: str, groups: Sequence[str] = ()) -> bool:
    """Ask the server (SubjectAccessReview) whether somebody else has this permission; that user need not exist."""
    review = cluster.post(
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"resourceAttributes": permission.attributes(), "user": user, "groups": list(groups)},
        },
        what=f"review whether {user} may {permission}",
    )
    return bool((review.get("status") or {}).get("allowed"))


def service_account_token(
    cluster: Cluster, account: Ref, *, lifetime_s: int = 3600, audiences: Sequence[str] = (DEFAULT_AUDIENCE,)
) -> str:
    """A bound token of a ServiceAccount by TokenRequest; wrap it as a secret at once.

    Kubernetes refuses lifetimes below 600 s.
    """
    answer = cluster.post(
        f"/api/v1/namespaces/{account.namespace}/serviceaccounts/{account.name}/token",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": lifetime_s, "audiences": list(audiences)},
        },
        what=f"issue a token for {account}",
    )
    return str(answer["status"]["token"])
