"""Models of providers outside the cluster: a stand-in that demands its own key, and the objects that lead there.

The stand-in is a model server like any other (a Deployment and a Service), reached by the name that a cluster gives it, as a provider
on the internet is by its own. So a check can see what a provider sees: which key came, under which name for the model, with which headers.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from harness.client.secret import Secret
from harness.kube.cluster import Cluster
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Expectation, has_condition, has_phase
from harness.platforms.platform import ModelHandle
from harness.world.force import LLMIS, model_ref
from harness.world.governance import MAAS

INFERENCE: Final = "inference.opendatahub.io/v1alpha1"
SERVED: Final = "maas-conformance.dev/Served"
"""What the reference gateway says of a route whose backends have endpoints; other platforms do not, and are not asked to."""
PORT: Final = 8000
KEY_ENTRY: Final = "api-key"
IMAGE: Final = "mock-vllm"
Format = Literal["chat", "messages"]


@dataclass(frozen=True, slots=True)
class StandIn:
    """A provider as its customers know it: host, key, and the name that it has for the model."""

    name: str
    namespace: str
    target: str
    format: Format = "chat"
    image: str = IMAGE
    key: Secret = field(default_factory=lambda: Secret(f"provider-{secrets.token_hex(16)}"))

    @property
    def server(self) -> str:
        """Name of its Deployment and Service: the ExternalProvider's own belongs to the platform."""
        return f"{self.name}-server"

    @property
    def host(self) -> str:
        """The name by which it is reached."""
        return f"{self.server}.{self.namespace}.svc.cluster.local"

    @property
    def deployment(self) -> Ref:
        """What runs it."""
        return Ref("apps/v1", "Deployment", self.server, self.namespace)

    @property
    def secret(self) -> Ref:
        """What holds the key for the platform."""
        return Ref("v1", "Secret", f"{self.name}-key", self.namespace)

    def shown(self, key: Secret) -> str:
        """A key as the journal shows the header that brought it."""
        text = key.reveal() if self.format == "messages" else f"Bearer {key.reveal()}"
        return shown(text)

    def credential(self, key: Secret | None = None) -> Manifest:
        """The Secret, with its own key or another one."""
        metadata = {"labels": {"inference.llm-d.ai/ipp-managed": "true"}}
        return _manifest(
            self.secret, metadata=metadata, type="Opaque", stringData={KEY_ENTRY: (key or self.key).reveal()}
        )

    def manifests(self, *also_accepts: Secret) -> tuple[Manifest, ...]:
        """Deployment and Service; `also_accepts`: further keys that open it."""
        labels = {"app.kubernetes.io/name": self.server}
        header = "x-api-key" if self.format == "messages" else "authorization"
        keys = [key.reveal() for key in (self.key, *also_accepts)]
        command = [
            "mock-vllm",
            "serve",
            self.target,
            "--port",
            str(PORT),
            "--api-key-header",
            header,
            "--api-key",
            *keys,
        ]
        container = {"name": "main", "image": self.image, "command": command, "ports": [{"containerPort": PORT}]}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        deployment = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        service = {"selector": labels, "ports": [{"name": "http", "port": PORT, "targetPort": PORT}]}
        return (
            _manifest(self.deployment, spec=deployment),
            _manifest(Ref("v1", "Service", self.server, self.namespace), spec=service),
        )


@dataclass(frozen=True, slots=True)
class ExternalModel:
    """A model of a provider: how to call it, who serves it, and the objects that say so."""

    handle: ModelHandle
    stand_in: StandIn
    legacy: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)
    reference: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ref(self) -> Ref:
        """The ExternalModel."""
        return Ref(MAAS if self.legacy else INFERENCE, "ExternalModel", self.handle.name, self.handle.namespace)

    @property
    def route(self) -> Ref:
        """The HTTPRoute that the platform makes of it."""
        name = f"maas-{self.handle.name}" if self.legacy else self.handle.name
        return Ref("gateway.networking.k8s.io/v1", "HTTPRoute", name, self.handle.namespace)

    @property
    def annotations(self) -> dict[str, str]:
        """How the provider is reached: in the clear, because nobody signs certificates for a stand-in."""
        return {"maas.opendatahub.io/port": str(PORT), "maas.opendatahub.io/tls": "false", **self.notes}

    def backend(self) -> tuple[Manifest, ...]:
        """The ExternalModel and, unless it is of the legacy group, its ExternalProvider."""
        one, annotated = self.stand_in, {"annotations": self.annotations}
        if self.legacy:
            spec = {
                "provider": "openai", "targetModel": one.target, "endpoint": one.host,
                "credentialRef": {"name": one.secret.name},
            }  # fmt: skip
            return (_manifest(self.ref, metadata=annotated, spec=spec),)
        auth = {"type": "apikey", "secretRef": {"name": one.secret.name}}
        kind = "anthropic" if one.format == "messages" else "openai"
        provider = Ref(INFERENCE, "ExternalProvider", one.name, one.namespace)
        to = {"ref": {"name": one.name}, "targetModel": one.target, "apiFormat": one.format, **self.reference}
        return (
            _manifest(provider, metadata=annotated, spec={"provider": kind, "endpoint": one.host, "auth": auth}),
            _manifest(self.ref, spec={"externalProviderRefs": [to]}),
        )

    def registration(self) -> Manifest:
        """The MaaSModelRef."""
        return _manifest(model_ref(self.handle), spec={"modelRef": {"kind": "ExternalModel", "name": self.handle.name}})

    def in_force(self, *, governed: bool) -> tuple[Expectation, ...]:
        """The stand-in runs, the gateway leads to it and, with a subscription and a policy, the model is Ready."""
        ready = (has_phase(model_ref(self.handle), "Ready"),) if governed else ()
        return (has_condition(self.stand_in.deployment, "Available"), leads_somewhere(self.route), *ready)


def handle_of(name: str, namespace: str) -> ModelHandle:
    """How an external model is called: by its own name, which has no namespace, in the list and in a body alike."""
    return ModelHandle(name=name, namespace=namespace, model_id=name, path=f"/{namespace}/{name}", served_name=name)


def leads_somewhere(route: Ref) -> Expectation:
    """A gateway accepted the route and, where it says so, has an endpoint for each of its backends."""

    def holds(manifest: Manifest | None) -> bool:
        parents = ((manifest or {}).get("status") or {}).get("parents") or []
        said = [{entry["type"]: entry["status"] for entry in parent.get("conditions") or ()} for parent in parents]
        return bool(said) and all(
            entry.get("Accepted") == "True" and entry.get("ResolvedRefs", "True") == entry.get(SERVED, "True") == "True"
            for entry in said
        )

    return Expectation(route, "accepted and served", holds)


def image_of(cluster: Cluster, model: ModelHandle) -> str:
    """The image of a model server of the platform, so that a stand-in runs wherever those do."""
    service = cluster.get(Ref(LLMIS, "LLMInferenceService", model.path.rpartition("/")[2], model.namespace)) or {}
    containers = ((service.get("spec") or {}).get("template") or {}).get("containers") or []
    return next((str(one["image"]) for one in containers if one.get("image")), IMAGE)


def shown(text: str) -> str:
    """A credential as a journal shows it."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _manifest(ref: Ref, metadata: Mapping[str, Any] | None = None, **parts: Any) -> Manifest:
    named = {"name": ref.name, "namespace": ref.namespace, **(metadata or {})}
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": named, **parts}
