"""What an embedded platform is asked to be: its folders, its listeners, and how it differs from the usual."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from harness.kube.documents import Document
from harness.platforms.embedded.bounds import EMBEDDED
from harness.platforms.embedded.settings import KubeApi
from harness.platforms.keycloak import TrustedKeycloak
from harness.platforms.platform import Admission, Parameters

MAAS_GATEWAY: Final = "maas-default-gateway"


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
    keycloak: TrustedKeycloak | None = None
    bounds: Parameters = EMBEDDED

    def module(self, name: str, usual: str) -> str:
        """The module that runs as this component: the usual one, unless a self-test replaced it."""
        return self.replaced.get(name, usual)

    @property
    def kubeconfig(self) -> Path:
        """Written by the Kubernetes API before it is ready: group system:masters."""
        return self.private / "kube" / "admin.kubeconfig"

    @property
    def issuer(self) -> Path:
        """Where the platform's own issuer keeps its keys, and its CA certificate."""
        return self.private / "issuer"

    @property
    def issuer_ca(self) -> Path | None:
        """The CA that the authorizer trusts issuers by; None: the system's."""
        return self.keycloak.ca_file if self.keycloak else self.issuer / "ca.crt"

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
