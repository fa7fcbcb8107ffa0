"""The reference platform's manifests for a cluster: those of fixtures/cluster, with this cluster's image and URLs."""

from typing import Any, Final

import yaml

from harness.kube.documents import Document, read_documents
from harness.kube.manifest import Manifest
from harness.platforms.data import data_folder

IMAGE: Final = "maas-conformance/reference"
IMAGE_VARIABLES: Final = frozenset({"MODEL_IMAGE", "API_IMAGE"})
SETTINGS: Final = "maas-reference"


def reference_manifests(
    image: str, gateway_url: str, standard_gateway_url: str, gateway_tls_url: str
) -> list[Manifest]:
    """What `kubectl kustomize fixtures/cluster` gives, with another image and other URLs.

    Done here too, so that the kind target needs no kubectl.
    """
    folder = data_folder("cluster")
    plan = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    documents = read_documents([folder / path for path in plan["resources"]])
    patches = read_documents([folder / entry["path"] for entry in plan["patches"]])
    settings = {
        "GATEWAY_URL": gateway_url,
        "GATEWAY_TLS_URL": gateway_tls_url,
        "STANDARD_GATEWAY_URL": standard_gateway_url,
    }
    return [_settled(_patched(document, patches), image, settings) for document in documents]


def _patched(document: Document, patches: list[Document]) -> Manifest:
    manifest = document.manifest
    for patch in patches:
        if patch.ref == document.ref:
            manifest = _merged(manifest, patch.manifest)
    return manifest


def _merged(base: Any, patch: Any) -> Any:
    """A JSON merge of mappings; lists are replaced, which is all that our patches need."""
    if not isinstance(base, dict) or not isinstance(patch, dict):
        return patch
    return {**base, **{key: _merged(base.get(key), value) for key, value in patch.items()}}


def _settled(manifest: Manifest, image: str, settings: dict[str, str]) -> Manifest:
    if manifest["kind"] == "ConfigMap" and manifest["metadata"]["name"] == SETTINGS:
        return {**manifest, "data": settings}
    if manifest["kind"] != "Deployment":
        return manifest
    pod = manifest["spec"]["template"]["spec"]
    settled = {
        key: [_with_image(container, image) for container in pod[key]]
        for key in ("initContainers", "containers")
        if key in pod
    }
    changed: Manifest = _merged(manifest, {"spec": {"template": {"spec": settled}}})
    return changed


def _with_image(container: dict[str, Any], image: str) -> dict[str, Any]:
    changed = {**container, "image": image}
    if "env" in container:
        changed["env"] = [
            {**entry, "value": image} if entry["name"] in IMAGE_VARIABLES else entry for entry in container["env"]
        ]
    return changed


def deployments(manifests: list[Manifest]) -> list[Manifest]:
    """Those that have to be Available."""
    return [manifest for manifest in manifests if manifest["kind"] == "Deployment"]


def images(manifests: list[Manifest]) -> list[str]:
    """Every image that these Deployments run, each once: derived from what is applied, not listed by hand."""
    found: dict[str, None] = {}
    for manifest in deployments(manifests):
        pod = manifest["spec"]["template"]["spec"]
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            found[container["image"]] = None
    return list(found)
