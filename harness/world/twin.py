"""New models for checks that need one of their own: twins of a model that the platform already serves.

A twin has everything that makes the original run on this cluster (image, command, resources) and differs in its name and
its gateway, so a check need not know what a model server looks like here.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from harness.engine.failure import NotReady
from harness.kube.cluster import Cluster
from harness.kube.manifest import Manifest, Ref
from harness.platforms.platform import ModelHandle
from harness.world.force import LLMIS, model_ref
from harness.world.governance import MAAS

MAAS_GATEWAY = "maas-default-gateway"


@dataclass(frozen=True, slots=True)
class Twin:
    """A model to be created: how to call it, its backend, and the objects to apply."""

    handle: ModelHandle
    backend: Ref
    manifests: tuple[Manifest, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """In what a twin differs from its original besides name and gateway.

    `namespace` None is the original's; `served_name` None is the twin's own name; `routed` False asks for no route;
    `annotations` are those of its LLMInferenceService; `arguments` are added to the model server's command line.
    """

    namespace: str | None = None
    served_name: str | None = None
    routed: bool = True
    annotations: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


PLAIN = Variant()


def gateway_refs(namespace: str) -> list[dict[str, str]]:
    """What `spec.router.gateway.refs` says to opt in to MaaS."""
    return [{"name": MAAS_GATEWAY, "namespace": namespace}]


def handle_of(namespace: str, name: str, served: str | None = None) -> ModelHandle:
    """How the platform calls an LLMInferenceService that serves under this name; None: under its own."""
    served = served or name
    return ModelHandle(
        name=name,
        namespace=namespace,
        model_id=f"publishers/{namespace}/models/{served}",
        path=f"/{namespace}/{name}",
        served_name=served,
    )


def twin_of(
    cluster: Cluster,
    original: ModelHandle,
    name: str,
    *,
    refs: Sequence[Mapping[str, str]] | None,
    registered: bool,
    annotations: Mapping[str, str] | None = None,
    variant: Variant = PLAIN,
) -> Twin:
    """A copy under another name; `refs` None leaves the gateway out, which means the standard one.

    Raises NotReady when the original's LLMInferenceService cannot be found.
    """
    served = variant.served_name or name
    namespace = variant.namespace or original.namespace
    spec = _twin_spec(cluster, original, served)
    if variant.arguments:
        _main_container(spec).setdefault("args", []).extend(variant.arguments)
    router = spec.setdefault("router", {})
    if variant.routed:
        router.setdefault("route", {})
    else:
        router.pop("route", None)
    router.pop("gateway", None)
    if refs is not None:
        router["gateway"] = {"refs": [dict(ref) for ref in refs]}
    backend = Ref(LLMIS, "LLMInferenceService", name, namespace)
    handle = handle_of(namespace, name, served)
    manifests = [_manifest(backend, spec, variant.annotations)]
    if registered:
        manifests.append(registration(handle, annotations))
    return Twin(handle, backend, tuple(manifests))


def registration(model: ModelHandle, annotations: Mapping[str, str] | None = None) -> Manifest:
    """The MaaSModelRef that registers an LLMInferenceService of the same name."""
    spec = {"modelRef": {"kind": "LLMInferenceService", "name": model.path.rpartition("/")[2]}}
    return _manifest(model_ref(model), spec, annotations)


def _manifest(ref: Ref, spec: Mapping[str, Any], annotations: Mapping[str, str] | None = None) -> Manifest:
    metadata: dict[str, Any] = {"name": ref.name, "namespace": ref.namespace}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, "spec": dict(spec)}


def _twin_spec(cluster: Cluster, original: ModelHandle, served: str) -> dict[str, Any]:
    spec = deepcopy(_original_spec(cluster, original))
    old = str(spec.get("model", {}).get("name") or original.served_name)
    spec = dict(_renamed(spec, old, served))
    spec.setdefault("model", {})["name"] = served
    return spec


def _main_container(spec: dict[str, Any]) -> dict[str, Any]:
    """The container that serves the model; one that only names it where the original leaves it to the preset."""
    containers: list[dict[str, Any]] = spec.setdefault("template", {}).setdefault("containers", [])
    found = next((one for one in containers if one.get("name") == "main"), None)
    if found is None:
        found = {"name": "main"}
        containers.append(found)
    return found


def _original_spec(cluster: Cluster, model: ModelHandle) -> dict[str, Any]:
    registered = cluster.get(Ref(MAAS, "MaaSModelRef", model.name, model.namespace)) or {}
    name = registered.get("spec", {}).get("modelRef", {}).get("name", model.name)
    found = cluster.get(Ref(LLMIS, "LLMInferenceService", name, model.namespace))
    if found is None:
        raise NotReady(
            f"no LLMInferenceService {model.namespace}/{name} to copy: a model of the check's own cannot be made"
        )
    return dict(found["spec"])


def _renamed(value: Any, old: str, new: str) -> Any:
    """The served name where a command line states it: as a whole word, or after `=`."""
    if isinstance(value, dict):
        return {key: _renamed(member, old, new) for key, member in value.items()}
    if isinstance(value, list):
        return [_renamed(member, old, new) for member in value]
    if isinstance(value, str) and (value == old or value.endswith(f"={old}")):
        return value[: len(value) - len(old)] + new
    return value
