"""A platform, and models on it that can be damaged without touching each other."""

from typing import Any

import httpx

from harness.kube.access import service_account_token
from harness.kube.cluster import Cluster
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Bound, has_phase, wait_for
from harness.platforms.platform import Platform
from harness.world.patience import until

MAAS = "maas.opendatahub.io/v1alpha1"
SUBSCRIPTIONS = "models-as-a-service"
ALICE = "system:serviceaccount:diagnosed:alice"
BOUND = Bound("the platform takes a change over", 60)


class Patient:
    """A platform, and models on it that can be damaged without touching each other."""

    def __init__(self, platform: Platform) -> None:
        assert platform.kubeconfig is not None
        self.platform = platform
        self.cluster = Cluster.connect(platform.kubeconfig)
        self.http = httpx.Client(trust_env=False, timeout=BOUND.seconds)
        self.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "diagnosed"}})
        for name in ("alice", "bob"):
            account = {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": name, "namespace": "diagnosed"},
            }
            self.cluster.apply(account)

    def apply(self, *manifests: Manifest) -> None:
        for manifest in manifests:
            self.cluster.apply(manifest)

    def healthy(self, name: str, **subscription: Any) -> None:
        """A model that Alice may use and pays for."""
        self.apply(model(name), reference(name), policy(name), offer(name, **subscription))
        ready = has_phase(Ref(MAAS, "MaaSModelRef", name, "llm"), "Ready")
        active = has_phase(Ref(MAAS, "MaaSSubscription", name, SUBSCRIPTIONS), "Active")
        open_ = has_phase(Ref(MAAS, "MaaSAuthPolicy", name, SUBSCRIPTIONS), "Active")
        for expectation in (ready, active, open_):
            wait_for(self.cluster, expectation, BOUND)

    def token(self, name: str = "alice") -> str:
        return service_account_token(self.cluster, Ref("v1", "ServiceAccount", name, "diagnosed"))

    def key(self, subscription: str) -> dict[str, str]:
        def create() -> httpx.Response:
            return self.http.post(
                f"{self.platform.endpoints.management}/v1/api-keys",
                json={"name": "k", "subscription": subscription},
                headers={"Authorization": f"Bearer {self.token()}"},
            )

        answer, _ = until(create, lambda found: found.status_code == 201, BOUND)
        created: dict[str, str] = answer.json()
        return created

    def options(self) -> list[str]:
        ends = self.platform.endpoints
        return [
            *("--kubeconfig", str(self.platform.kubeconfig), "--gateway", ends.gateway),
            *("--management", ends.management, "--limiter", str(ends.limiter_admin)),
        ]


def model(name: str, gateway: str = "maas-default-gateway", **spec: Any) -> Manifest:
    refs = [{"name": gateway, "namespace": "openshift-ingress"}]
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "LLMInferenceService",
        "metadata": {"name": name, "namespace": "llm"},
        "spec": {
            "model": {"uri": "hf://placeholder/no-model", "name": f"diagnosed/{name}"},
            "replicas": 1,
            "router": {"route": {}, "gateway": {"refs": refs}},
            **spec,
        },
    }


def reference(name: str, target: str | None = None) -> Manifest:
    return {
        "apiVersion": MAAS,
        "kind": "MaaSModelRef",
        "metadata": {"name": name, "namespace": "llm"},
        "spec": {"modelRef": {"kind": "LLMInferenceService", "name": target or name}},
    }


def policy(name: str, user: str = ALICE) -> Manifest:
    return {
        "apiVersion": MAAS,
        "kind": "MaaSAuthPolicy",
        "metadata": {"name": name, "namespace": SUBSCRIPTIONS},
        "spec": {"subjects": {"users": [user]}, "modelRefs": [{"name": name, "namespace": "llm"}]},
    }


def offer(name: str, user: str = ALICE, called: str | None = None, limit: int = 1000) -> Manifest:
    rates = [{"limit": limit, "window": "1h"}]
    return {
        "apiVersion": MAAS,
        "kind": "MaaSSubscription",
        "metadata": {"name": called or name, "namespace": SUBSCRIPTIONS},
        "spec": {
            "owner": {"users": [user]},
            "modelRefs": [{"name": name, "namespace": "llm", "tokenRateLimits": rates}],
        },
    }
