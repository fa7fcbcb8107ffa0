"""Which processes an embedded platform consists of, whom each needs, and what it is told.

The command lines are those of docs/components.md. Only the Kubernetes API, the issuer and the limiter start from nothing; all others wait
for the kubeconfig or for an address.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from harness.platforms.embedded.plan import Listener, Plan
from harness.platforms.embedded.quirks import AUTHORIZER, CONTROLLER, LIMITER, MAAS_API, arguments_of
from harness.platforms.supervisor import Endpoints, Part

LOOPBACK: Final = "127.0.0.1"
KUBE_API: Final = "kubeapi"
GATEWAY: Final = "gateway"
ISSUER: Final = "issuer"
REALM: Final = "maas"
"""Realm and client of the default tenant at the platform's own issuer."""


@dataclass(frozen=True, slots=True)
class Component:
    """A process of the platform: a module of the simulator, and its command line once those it needs are ready.

    `again` names the options by which it listens where it did before it was stopped, and the endpoint of each.
    """

    name: str
    module: str
    told: Callable[[Plan, Endpoints], list[str]]
    needs: tuple[str, ...] = ()
    again: Mapping[str, str] = field(default_factory=lambda: {"--bind": "metrics"})
    stops_last: bool = False

    def part(self, plan: Plan) -> Part:
        """This component on the platform of a plan, with its quirks; the module is the usual one, unless a self-test replaced it."""
        quirks = arguments_of(self.name, plan.quirks)
        return Part(
            self.name,
            plan.module(self.name, f"harness.simulator.{self.module}"),
            lambda ready: [*self.told(plan, ready), *self._listening_again(ready), *quirks],
            self.needs,
            self.stops_last,
        )

    def _listening_again(self, ready: Endpoints) -> list[str]:
        """Nothing at its first start: it takes free ports."""
        announced = ready.get(self.name, {})
        return [
            word
            for option, endpoint in self.again.items()
            if endpoint in announced
            for word in (option, _host_port(announced[endpoint]))
        ]


def _kube_api(plan: Plan, _ready: Endpoints) -> list[str]:
    crds = [word for folder in plan.crds for word in ("--crds", str(folder))]
    return [
        *("--dir", str(plan.kubeconfig.parent), "--engine", plan.kube_api, *crds),
        *("--state", str(plan.private / "kube-state"), "--state-survives", "process", "--log-level", "info"),
    ]


def _maas_api(plan: Plan, _ready: Endpoints) -> list[str]:
    return [
        *(*_kubeconfig(plan), "--database", plan.database),
        # far within the promised 30 s, which a check would otherwise have to sit out in real time
        *("--admin-cache-seconds", "1"),
    ]


def _issuer(plan: Plan, _ready: Endpoints) -> list[str]:
    return ["--dir", str(plan.issuer), "--realm", REALM]


def _authorizer(plan: Plan, ready: Endpoints) -> list[str]:
    return [
        *(*_kubeconfig(plan), "--maas-api", ready[MAAS_API]["api"]),
        *(("--oidc-ca", str(plan.issuer_ca)) if plan.issuer_ca else ()),
        # a quarter of the usual time: a check that waits for an answer to be forgotten waits in real time
        *("--metadata-cache-ttl", "0.5", "--authz-cache-ttl", "0.5"),
    ]


def _limiter(plan: Plan, _ready: Endpoints) -> list[str]:
    return ["--admission", plan.admission]


def _gateway(plan: Plan, ready: Endpoints) -> list[str]:
    listens = [
        word for listener in plan.listeners for word in ("--listen", f"{listener}={_place_of(listener, plan, ready)}")
    ]
    return [
        *(*_kubeconfig(plan), "--dir", str(plan.private / "gateway")),
        *("--authorizer", ready[AUTHORIZER]["grpc"]),
        *("--limiter", ready[LIMITER]["grpc"], "--limiter-admin", ready[LIMITER]["admin"]),
        *("--admission", plan.admission),
        # less than the usual time: the check of a silent authorizer waits for it in real time
        *("--authorizer-patience", "1.5"),
        *("--listen-any", LOOPBACK),  # a tenant's gateway is made while the platform runs
        *listens,
    ]


def _kserve(plan: Plan, _ready: Endpoints) -> list[str]:
    return ["kserve", *_kubeconfig(plan)]


def _kubelet(plan: Plan, _ready: Endpoints) -> list[str]:
    return [*_kubeconfig(plan), "--dir", str(plan.private / "kubelet"), "--runtime", plan.backend]


def _controller(plan: Plan, _ready: Endpoints) -> list[str]:
    return ["maas", *_kubeconfig(plan)]


def _kubeconfig(plan: Plan) -> tuple[str, str]:
    return "--kubeconfig", str(plan.kubeconfig)


def _place_of(listener: Listener, plan: Plan, ready: Endpoints) -> str:
    """Where a listener listens: where it did before, else on the port that was asked for, else on a free one."""
    before = ready.get(GATEWAY, {}).get(str(listener))
    if before is not None:
        return _host_port(before)
    return f"{LOOPBACK}:{plan.gateway_port if listener == plan.front else 0}"


def _host_port(endpoint: str) -> str:
    """`host:port` of an announced URL or address."""
    return urlsplit(endpoint).netloc if "://" in endpoint else endpoint


KUBERNETES: Final = Component(KUBE_API, "kubeapi", _kube_api, again={"--bind": "api"}, stops_last=True)
"""The process that every other one but the issuer and the limiter needs."""
COMPONENTS: Final = (
    KUBERNETES,
    Component(MAAS_API, "maas_api", _maas_api, (KUBE_API,), {"--bind": "api", "--metrics-bind": "metrics"}),
    Component(ISSUER, "issuer", _issuer, again={"--bind": "issuer", "--admin-bind": "admin"}),
    Component(
        AUTHORIZER,
        "gateway.authorizer",
        _authorizer,
        (KUBE_API, MAAS_API, ISSUER),
        {"--bind": "grpc", "--admin-bind": "admin"},
    ),
    Component(LIMITER, "gateway.limiter", _limiter, again={"--bind": "grpc", "--admin-bind": "admin"}),
    Component(GATEWAY, "gateway", _gateway, (KUBE_API, AUTHORIZER, LIMITER), {"--metrics-bind": "metrics"}),
    Component("kserve", "controllers", _kserve, (KUBE_API,)),
    Component("kubelet", "kubelet", _kubelet, (KUBE_API,)),
    Component(CONTROLLER, "controllers", _controller, (KUBE_API,)),
)
"""All of them, those first that others wait for."""
