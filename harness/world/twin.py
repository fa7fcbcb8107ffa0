"""New models for checks that need one of their own: twins of a model that the platform already serves.

A twin has everything that makes the original run on this cluster (image, command, resources) and differs in its name and
its gateway, so a check need not know what a model server looks like here.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
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


def gateway_refs(namespace: str) -> list[dict[str, str]]:
    """What `spec.router.gateway.refs` says to opt in to MaaS."""
    return [{"name": MAAS_GATEWAY, "namespace": namespace}]


def twin_of(
    cluster: Cluster,
    original: ModelHandle,
    name: str,
    *,
    refs: Sequence[Mapping[str, str]] | None,
    registered: bool,
    annotations: Mapping[str, str] | None = None,
) -> Twin:
    """A copy under another name; `refs` None leaves the gateway out, which means the standard one.

    Raises NotReady when the original's LLMInferenceService cannot be found.
    """
    spec = deepcopy(_original_spec(cluster, original))
    old = str(spec.get("model", {}).get("name") or original.served_name)
    spec = _renamed(spec, old, name)
    spec.setdefault("model", {})["name"] = name
    router = spec.setdefault("router", {})
    router.setdefault("route", {})
    router.pop("gateway", None)
    if refs is not None:
        router["gateway"] = {"refs": [dict(ref) for ref in refs]}
    backend = Ref(LLMIS, "LLMInferenceService", name, original.namespace)
    handle = ModelHandle(
        name=name,
        namespace=original.namespace,
        model_id=f"publishers/{original.namespace}/models/{name}",
        path=f"/{original.namespace}/{name}",
        served_name=name,
    )
    manifests = [_manifest(backend, spec)]
    if registered:
        manifests.append(registration(handle, annotations))
    return Twin(handle, backend, tuple(manifests))


def registration(model: ModelHandle, annotations: Mapping[str, str] | None = None) -> Manifest:
    """The MaaSModelRef that registers an LLMInferenceService of the same name."""
    manifest = _manifest(
        model_ref(model), {"modelRef": {"kind": "LLMInferenceService", "name": model.path.rpartition("/")[2]}}
    )
    if annotations:
        manifest["metadata"]["annotations"] = dict(annotations)
    return manifest


def _manifest(ref: Ref, spec: Mapping[str, Any]) -> Manifest:
    return {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "metadata": {"name": ref.name, "namespace": ref.namespace},
        "spec": dict(spec),
    }


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
