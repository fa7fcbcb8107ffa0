"""Which processes an embedded platform consists of, whom each needs, and what it is told.

The command lines are those of docs/components.md. Only the Kubernetes API and the limiter start from nothing; all others wait for the
kubeconfig or for an address.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from harness.kube.documents import Document
from harness.platforms.embedded.quirks import AUTHORIZER, CONTROLLER, LIMITER, MAAS_API, arguments_of
from harness.platforms.embedded.settings import KubeApi
from harness.platforms.platform import Admission
from harness.platforms.supervisor import Endpoints, Part

LOOPBACK: Final = "127.0.0.1"
MAAS_GATEWAY: Final = "maas-default-gateway"
ISSUER: Final = "issuer"
REALM: Final = "maas"
"""Realm and client of the default tenant at the platform's own issuer."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener of a Gateway, by the name that the gateway's command line and ready file use."""

    namespace: str
    gateway: str
    name: str
    secure: bool = False

    def __str__(self) -> str:
        return f"{self.namespace}/{self.gateway}/{self.name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What this platform is asked to be; paths are absolute, `gateway_port` 0 takes a free port."""

    private: Path
    crds: tuple[Path, ...]
    listeners: tuple[Listener, ...]
    gateway_port: int = 0
    backend: Literal["mock", "vllm"] = "mock"
    replaced: Mapping[str, str] = field(default_factory=dict)
    quirks: tuple[str, ...] = ()
    tls: bool = False
    kube_api: KubeApi = "own"
    admission: Admission = "check-then-report"

    def module(self, name: str, usual: str) -> str:
        """The module that runs as this component: the usual one, unless a self-test replaced it."""
        return self.replaced.get(name, usual)

    @property
    def kubeconfig(self) -> Path:
        """Written by the Kubernetes API before it is ready: group system:masters."""
        return self.private / "kube" / "admin.kubeconfig"

    @property
    def issuer(self) -> Path:
        """Where the issuer keeps its keys, and the CA certificate that the authorizer trusts it by."""
        return self.private / "issuer"

    @property
    def database(self) -> str:
        """Where every management API of this platform keeps keys."""
        return f"sqlite:///{self.private / 'maas-api.db'}"

    @property
    def maas_listener(self) -> Listener | None:
        """The listener through which MaaS is used in the clear; None in a world without a MaaS gateway, or with HTTPS alone."""
        return next((entry for entry in self.listeners if entry.gateway == MAAS_GATEWAY and not entry.secure), None)

    @property
    def tls_listener(self) -> Listener | None:
        """The listener through which MaaS is used by HTTPS; None where the gateway has none."""
        return next((entry for entry in self.listeners if entry.gateway == MAAS_GATEWAY and entry.secure), None)

    @property
    def front(self) -> Listener | None:
        """The listener that checks and people are told of first: the one with the port that was asked for."""
        return self.tls_listener if self.tls else self.maas_listener or self.tls_listener

    @property
    def gateway_ca(self) -> Path:
        """Written by the gateway when it signs a certificate itself, before it is ready."""
        return self.private / "gateway" / "gateway-ca.crt"

    @property
    def standard_listener(self) -> Listener | None:
        """The first listener of another gateway."""
        return next((entry for entry in self.listeners if entry.gateway != MAAS_GATEWAY), None)


def listeners_of(documents: Iterable[Document]) -> tuple[Listener, ...]:
    """Every listener of every Gateway among these manifests, in their order, each once."""
    found: dict[Listener, None] = {}
    for document in documents:
        if document.manifest["kind"] != "Gateway":
            continue
        for entry in (document.manifest.get("spec") or {}).get("listeners") or []:
            secure = entry.get("protocol") == "HTTPS"
            namespace = document.ref.namespace or "default"
            found[Listener(namespace, document.ref.name, str(entry.get("name")), secure)] = None
    return tuple(found)


def kubernetes_api(plan: Plan) -> Part:
    """The process that every other one but the limiter needs."""
    folders = [argument for folder in plan.crds for argument in ("--crds", str(folder))]
    return Part(
        "kubeapi",
        plan.module("kubeapi", "harness.simulator.kubeapi"),
        lambda ready: [
            *("--dir", str(plan.kubeconfig.parent), "--engine", plan.kube_api, *folders),
            *("--state", str(plan.private / "kube-state"), "--state-survives", "process", "--log-level", "info"),
            *_listening_again(ready, "kubeapi", bind="api"),
        ],
        stops_last=True,
    )


def _listening_again(ready: Endpoints, name: str, **options: str) -> list[str]:
    """Options that make a component listen where it did before it was stopped; `options` maps each to its endpoint's name.

    Nothing at its first start: it takes free ports.
    """
    announced = ready.get(name, {})
    return [
        word
        for option, endpoint in options.items()
        if endpoint in announced
        for word in (f"--{option.replace('_', '-')}", _host_port(announced[endpoint]))
    ]


def _host_port(endpoint: str) -> str:
    """`host:port` of an announced URL or address."""
    return urlsplit(endpoint).netloc if "://" in endpoint else endpoint


def control_plane(plan: Plan) -> list[Part]:
    """Everything else, those first that others wait for."""
    kubeconfig = ("--kubeconfig", str(plan.kubeconfig))
    kubelet = ("--dir", str(plan.private / "kubelet"), "--runtime", plan.backend)

    def part(name: str, module: str, arguments: Callable[[Endpoints], Sequence[str]], *needs: str) -> Part:
        quirks = arguments_of(name, plan.quirks)
        return Part(
            name, plan.module(name, f"harness.simulator.{module}"), lambda ready: [*arguments(ready), *quirks], needs
        )

    return [
        part(
            MAAS_API,
            "maas_api",
            lambda ready: [
                *(*kubeconfig, "--database", plan.database),
                # far within the promised 30 s, which a check would otherwise have to sit out in real time
                *("--admin-cache-seconds", "1"),
                *_listening_again(ready, MAAS_API, bind="api", metrics_bind="metrics"),
            ],
            "kubeapi",
        ),
        part(
            ISSUER,
            "issuer",
            lambda ready: [
                *("--dir", str(plan.issuer), "--realm", REALM),
                *_listening_again(ready, ISSUER, bind="issuer", admin_bind="admin"),
            ],
        ),
        part(
            AUTHORIZER,
            "gateway.authorizer",
            lambda ready: [
                *(*kubeconfig, "--maas-api", ready["maas-api"]["api"]),
                *("--oidc-ca", str(plan.issuer / "ca.crt")),
                # a quarter of the usual time: a check that waits for an answer to be forgotten waits in real time
                *("--metadata-cache-ttl", "0.5", "--authz-cache-ttl", "0.5"),
                *_listening_again(ready, AUTHORIZER, bind="grpc", admin_bind="admin"),
            ],
            "kubeapi",
            "maas-api",
            ISSUER,
        ),
        part(
            LIMITER,
            "gateway.limiter",
            lambda ready: [
                *("--admission", plan.admission),
                *_listening_again(ready, LIMITER, bind="grpc", admin_bind="admin"),
            ],
        ),
        part(
            "gateway",
            "gateway",
            lambda ready: [*kubeconfig, *_gateway_arguments(plan, ready)],
            "kubeapi",
            "authorizer",
            "limiter",
        ),
        part(
            "kserve",
            "controllers",
            lambda ready: ["kserve", *kubeconfig, *_listening_again(ready, "kserve", bind="metrics")],
            "kubeapi",
        ),
        part(
            "kubelet",
            "kubelet",
            lambda ready: [*kubeconfig, *kubelet, *_listening_again(ready, "kubelet", bind="metrics")],
            "kubeapi",
        ),
        part(
            CONTROLLER,
            "controllers",
            lambda ready: ["maas", *kubeconfig, *_listening_again(ready, CONTROLLER, bind="metrics")],
            "kubeapi",
        ),
    ]


def _gateway_arguments(plan: Plan, ready: Endpoints) -> Sequence[str]:
    listens = [
        argument
        for listener in plan.listeners
        for argument in (
            "--listen",
            f"{listener}={_place_of(listener, plan, ready)}",
        )
    ]
    return [
        "--dir",
        str(plan.private / "gateway"),
        "--authorizer",
        ready["authorizer"]["grpc"],
        "--limiter",
        ready["limiter"]["grpc"],
        "--limiter-admin",
        ready["limiter"]["admin"],
        "--admission",
        plan.admission,
        "--listen-any",  # a tenant's gateway is made while the platform runs
        LOOPBACK,
        *_listening_again(ready, "gateway", metrics_bind="metrics"),
        *listens,
    ]


def _place_of(listener: Listener, plan: Plan, ready: Endpoints) -> str:
    """Where a listener listens: where it did before, else on the port that was asked for, else on a free one."""
    before = ready.get("gateway", {}).get(str(listener))
    if before is not None:
        return _host_port(before)
    return f"{LOOPBACK}:{plan.gateway_port if listener == plan.front else 0}"
