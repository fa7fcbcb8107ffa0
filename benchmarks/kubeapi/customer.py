"""What is written about one customer, as the harness and the controllers of the platform write it."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
MAAS = "/apis/maas.opendatahub.io/v1alpha1"
HOME = f"{MAAS}/namespaces/models-as-a-service"
SHARED = "/apis/kuadrant.io/v1alpha1/namespaces/llm/tokenratelimitpolicies/maas-trlp-simulated"
AUDIENCE = "https://kubernetes.default.svc"
NOW = "2026-01-01T00:00:00Z"
LABELS = {
    "app.kubernetes.io/managed-by": "maas-conformance",
    "maas-conformance.dev/run": "493129bac229",
    "maas-conformance.dev/created": "1795382467",
}


@dataclass(frozen=True, slots=True)
class Customer:
    """A user with an access policy and a subscription of the same name."""

    name: str
    finalizer = "maas.opendatahub.io/subscription-cleanup"

    @property
    def account(self) -> str:
        """The path of the ServiceAccount."""
        return f"/api/v1/namespaces/llm/serviceaccounts/{self.name}"

    @property
    def policy(self) -> str:
        """The path of the access policy."""
        return f"{HOME}/maasauthpolicies/{self.name}"

    @property
    def subscription(self) -> str:
        """The path of the subscription."""
        return f"{HOME}/maassubscriptions/{self.name}"

    @property
    def user(self) -> str:
        """The name that the ServiceAccount authenticates as."""
        return f"system:serviceaccount:llm:{self.name}"

    def as_account(self) -> Json:
        """The ServiceAccount."""
        return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": self._metadata("llm")}

    def as_token_request(self) -> Json:
        """A request for a token of an hour."""
        spec = {"expirationSeconds": 3600, "audiences": [AUDIENCE]}
        return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}

    def as_review(self, token: Json) -> Json:
        """A review of that token."""
        spec = {"token": token["status"]["token"], "audiences": [AUDIENCE]}
        return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}, "spec": spec}

    def as_policy(self) -> Json:
        """The access policy."""
        spec = {"subjects": {"users": [self.user]}, "modelRefs": [{"name": "simulated", "namespace": "llm"}]}
        return self._of_maas("MaaSAuthPolicy", spec)

    def as_subscription(self) -> Json:
        """The subscription."""
        rate = [{"limit": 1000, "window": "1h"}]
        model = {"name": "simulated", "namespace": "llm", "tokenRateLimits": rate}
        return self._of_maas("MaaSSubscription", {"owner": {"users": [self.user]}, "modelRefs": [model]})

    def status(self, phase: str) -> Json:
        """What the controller reports of a policy or a subscription."""
        told = (
            "llm/simulated: TokenRateLimitPolicy is not enforced yet" if phase != "Active" else "all models are ready"
        )
        ready = {"type": "Ready", "status": "True" if phase == "Active" else "False", "reason": phase, "message": told}
        return {
            "status": {
                "phase": phase,
                "conditions": [{**ready, "lastTransitionTime": NOW, "observedGeneration": 1}],
            }
        }

    def _metadata(self, namespace: str) -> Json:
        return {"name": self.name, "namespace": namespace, "labels": LABELS}

    def _of_maas(self, kind: str, spec: Json) -> Json:
        version = MAAS.removeprefix("/apis/")
        return {"apiVersion": version, "kind": kind, "metadata": self._metadata("models-as-a-service"), "spec": spec}


def limits(names: list[str], version: str) -> Json:
    """The TokenRateLimitPolicy of the model that all customers share, with a limit for each; `version` as it was last seen."""
    meta: Json = {
        "name": SHARED.rpartition("/")[2],
        "namespace": "llm",
        "labels": {"maas.opendatahub.io/model": "simulated", "app.kubernetes.io/managed-by": "maas-controller"},
        "annotations": {"maas.opendatahub.io/subscriptions": ",".join(f"models-as-a-service/{each}" for each in names)},
    }
    if version:
        meta["resourceVersion"] = version
    spec = {
        "targetRef": {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "simulated-kserve-route"},
        "limits": {f"models-as-a-service-{each}-simulated-tokens": _limit(each) for each in names},
    }
    return {"apiVersion": "kuadrant.io/v1alpha1", "kind": "TokenRateLimitPolicy", "metadata": meta, "spec": spec}


def _limit(name: str) -> Json:
    key = f"models-as-a-service/{name}@llm/simulated"
    predicate = (
        f'auth.identity.selected_subscription_key == "{key}" && !request.path.matches("^[^?]*/v1/models([?].*)?$")'
    )
    return {
        "rates": [{"limit": 1000, "window": "1h"}],
        "when": [{"predicate": predicate}],
        "counters": [{"expression": "auth.identity.userid"}],
    }
