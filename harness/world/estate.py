"""What all checks of one test worker share: the connection to the cluster, the run's labels, the model servers' addresses.

Nothing here belongs to a single check; worlds do.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Final

from harness.client.measuring import MeasuringClient
from harness.client.official import OfficialClients
from harness.engine.failure import NotReady
from harness.kube.apply import delete_all
from harness.kube.cluster import Cluster
from harness.kube.labels import run_labels
from harness.kube.manifest import Ref
from harness.kube.wait import Bound
from harness.ledger.counters import PlatformBook
from harness.ledger.journal import ADMIN_URL, Journals
from harness.platforms.platform import ModelHandle, Platform
from harness.world.entitlement import open_models
from harness.world.force import TRLP, TRLP_KIND
from harness.world.keycloak import KeycloakIssuer
from harness.world.oidc import Issuer, issuer_of

WORLD_PREFIX: Final = "mc-"
_LABEL: Final = "maas-conformance"
_MEMBERS: Final = "-members"
_NUMBERS: Final = count(1)


@dataclass
class Estate:
    """One per worker process. `run_id` labels every object, so that a janitor finds what a killed run left behind."""

    platform: Platform
    run_id: str
    worker: str = "main"
    keep: bool = False
    lists_late: bool = False
    common: set[Ref] = field(default_factory=set)
    """Objects that checks of this worker share: no check removes them, they go when the worker leaves."""
    lasting: set[Ref] = field(default_factory=set)
    """Those of them that are in force, and need not be applied by every check."""
    listed: set[Ref] = field(default_factory=set)
    """Those subscriptions of them whose models were listed to a member: what stands behind the gateway knows them."""
    tenants: dict[str, Platform] = field(default_factory=dict)
    """Tenants that checks of the whole run share, as far as this worker has found them usable; they go with the run."""
    number: int = field(default_factory=lambda: next(_NUMBERS))
    """One worker may have several estates, one after the other; a namespace that ends takes nothing in until it has ended."""

    @cached_property
    def client(self) -> MeasuringClient:
        """The measuring client; its connections live as long as the worker."""
        return MeasuringClient(ca_file=self.platform.ca_file, timeout_s=self.platform.parameters.request_timeout_s)

    @cached_property
    def issuer(self) -> Issuer:
        """The issuer that the platform's default tenant trusts. Raises NotReady where there is none."""
        trusted = self.platform.keycloak
        if trusted is None:
            return issuer_of(self.platform.endpoints, self.client)
        return KeycloakIssuer(trusted, trusted.connected(), trusted.realm)

    @cached_property
    def official(self) -> OfficialClients:
        """The official clients; their libraries are loaded when a check first calls by one."""
        return OfficialClients(ca_file=self.platform.ca_file)

    @cached_property
    def cluster(self) -> Cluster:
        """The API server of the platform. Raises NotReady where there is no kubeconfig."""
        if self.platform.kubeconfig is None:
            raise NotReady("this platform gives no kubeconfig, and the check makes objects: it should need 'kube'")
        return Cluster.connect(self.platform.kubeconfig)

    @cached_property
    def labels(self) -> dict[str, str]:
        """Labels of every object of this run."""
        return run_labels(self.run_id)

    @cached_property
    def namespace(self) -> str:
        """Where identities of this worker live that need no group of their own."""
        return f"{_LABEL}-{self.run_id}-{self.worker}-{self.number}"[:63].rstrip("-")

    def members(self, limit: int) -> str:
        """Where identities live that the worker's common subscription of that limit includes; it is called so too."""
        suffix = f"{_MEMBERS}-{limit}"
        return f"{self.namespace[: 63 - len(suffix)]}{suffix}"

    @cached_property
    def has_limit_policies(self) -> bool:
        """Whether the platform turns subscriptions into TokenRateLimitPolicies, whose status can be awaited."""
        return self.cluster.knows(TRLP, TRLP_KIND)

    @cached_property
    def models(self) -> tuple[ModelHandle, ...]:
        """The platform's models, those first that no subscription opens to everybody.

        With the others, a caller who should have nothing already has something.
        """
        if self.platform.kubeconfig is None:
            return self.platform.models
        shared = open_models(self.cluster, self.platform.namespaces.subscriptions)
        return tuple(sorted(self.platform.models, key=lambda model: (model.namespace, model.name) in shared))

    @cached_property
    def counters(self) -> PlatformBook | None:
        """The platform's counters; None where they cannot be scraped."""
        url = self.platform.endpoints.metrics if self.platform.provides.get("metrics") else None
        return PlatformBook(url) if url else None

    @property
    def ready_bound(self) -> Bound:
        """How long an applied object may take to be in force."""
        return Bound("ready_bound_s", self.platform.parameters.ready_bound_s)

    @cached_property
    def platform_journals(self) -> Journals | None:
        """The journals of the model servers that are there for everybody; None where the platform gives none."""
        return self.journals_of(None)

    def journals_of(self, world: str | None) -> Journals | None:
        """The same, and those of the world of that name: servers of other worlds come and go as their checks do."""
        if not self.platform.provides.get("backends") or self.platform.kubeconfig is None:
            return None
        return Journals(self._admin_urls({None, world}))

    def leave(self) -> None:
        """Remove what was made for all checks together, unless it is to be kept, and close every connection."""
        if self.common and not self.keep:
            delete_all(self.cluster, self.common)
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self.client.close()
        self.official.close()
        if "platform_journals" in self.__dict__ and self.platform_journals is not None:
            self.platform_journals.close()

    def servers_of(self, world: str) -> tuple[str, ...]:
        """Admin URLs of the model servers that this world made, and nobody else's."""
        return tuple(self._admin_urls({world}))

    def _admin_urls(self, worlds: Collection[str | None]) -> list[str]:
        return [
            url
            for pod in self.cluster.objects("v1", "Pod")
            if (url := (pod["metadata"].get("annotations") or {}).get(ADMIN_URL))
            and _is_running(pod)
            and _world_of(pod["metadata"]["name"]) in worlds
        ]


def _world_of(name: str) -> str | None:
    """The world that a Pod's name speaks of; Pods of models are called after them."""
    return "-".join(name.split("-")[:2]) if name.startswith(WORLD_PREFIX) else None


def _is_running(pod: dict[str, object]) -> bool:
    status = pod.get("status")
    return not isinstance(status, dict) or status.get("phase", "Running") == "Running"
