"""Commands that put something right, as a person would paste them."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from harness.diagnosis.sight import Sight, identity
from harness.kube.manifest import Manifest


def patch(manifest: Manifest, change: Mapping[str, Any]) -> str:
    """`kubectl patch` with a merge patch."""
    namespace, name = identity(manifest)
    return f"kubectl patch {_plural(manifest)} {name} -n {namespace} --type=merge -p '{json.dumps(change, separators=(',', ':'))}'"


def append(manifest: Manifest, path: str, value: Any) -> str:
    """`kubectl patch` that adds one entry to a list, which is made where the object has none."""
    namespace, name = identity(manifest)
    place: Any = manifest
    for part in path.strip("/").split("/"):
        place = (place or {}).get(part)
    operation = (
        {"op": "add", "path": f"{path}/-", "value": value} if place else {"op": "add", "path": path, "value": [value]}
    )
    return f"kubectl patch {_plural(manifest)} {name} -n {namespace} --type=json -p '{json.dumps([operation], separators=(',', ':'))}'"


def apply(manifest: Mapping[str, Any]) -> str:
    """`kubectl apply` of an object that is missing."""
    return f"kubectl apply -f - <<'EOF'\n{yaml.safe_dump(dict(manifest), sort_keys=False)}EOF"


def look(manifest: Manifest) -> str:
    """Where there is nothing to set: the object as it stands, with its events."""
    namespace, name = identity(manifest)
    return f"kubectl describe {_plural(manifest)} {name}" + (f" -n {namespace}" if namespace else "")


def wake_controller(sight: Sight, name: str) -> str:
    """Restart a controller whose Deployment can be seen; on an embedded platform, where it is a process, the platform."""
    found = [identity(item) for item in sight.seen("Deployment") if identity(item)[1].startswith(name)]
    if found:
        namespace, full = found[0]
        return f"kubectl rollout restart deployment {full} -n {namespace}"
    if sight.is_remote:
        return f"kubectl rollout restart deployment {name} -n {sight.places.control}"
    return "maas-conformance down && maas-conformance up --detach"


def _plural(manifest: Manifest) -> str:
    """The kind with its group, since several groups have an AuthPolicy or an ExternalModel."""
    group, slash, _ = str(manifest["apiVersion"]).partition("/")
    kind = str(manifest["kind"]).lower()
    plural = kind[:-1] + "ies" if kind.endswith("y") and not kind.endswith("ay") else kind + "s"
    return f"{plural}.{group}" if slash else plural
