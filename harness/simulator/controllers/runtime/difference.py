"""What has to change in a live object so that it is as a reconciler wants it, and nothing more."""

import copy
import hashlib
import json
from collections.abc import Collection
from typing import Any

from harness.simulator.controllers.runtime.manifest import Manifest, annotations

WISH = "maas-conformance.dev/desired-state"
MANAGED = "opendatahub.io/managed"
_CARRIED_OVER = {"Service": ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")}
_NOT_BODY = frozenset({"apiVersion", "kind", "metadata", "status"})


def is_left_alone(live: Manifest) -> bool:
    """Whether a person took the object out of the controllers' hands (`opendatahub.io/managed: "false"`)."""
    return annotations(live).get(MANAGED) == "false"


def fingerprint(desired: Manifest) -> str:
    """Sixteen hex digits of the wished body: tells a wish that shrank, which comparing fields alone cannot."""
    body = {name: value for name, value in desired.items() if name not in _NOT_BODY}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def stamped(desired: Manifest) -> Manifest:
    """`desired` with its fingerprint in an annotation, as it goes to the API server."""
    marked = copy.deepcopy(desired)
    marked["metadata"].setdefault("annotations", {})[WISH] = fingerprint(desired)
    return marked


def contains(live: Any, wished: Any, closed: Collection[str] = (), path: str = "") -> bool:
    """Whether every wished field is in `live`; fields the API server or others added do not matter.

    Below the dotted paths in `closed`, maps must have exactly the wished keys.
    """
    if isinstance(wished, dict):
        if not isinstance(live, dict):
            return not wished and live is None
        if path in closed and live.keys() != wished.keys():
            return False
        return all(
            contains(live.get(name), value, closed, f"{path}.{name}" if path else name)
            for name, value in wished.items()
        )
    if isinstance(wished, list):
        if not isinstance(live, list):
            return not wished and live is None
        return len(live) == len(wished) and all(contains(a, b, closed, path) for a, b in zip(live, wished, strict=True))
    return bool(live == wished)


def replacement(live: Manifest, desired: Manifest, closed: Collection[str] = ()) -> Manifest | None:
    """The object to PUT in place of `live`, or None when nothing differs. Foreign labels and annotations stay."""
    wished = stamped(desired)
    if contains(live, wished, closed):
        return None
    merged = copy.deepcopy(live)
    for name in [name for name in merged if name not in _NOT_BODY and name not in wished]:
        del merged[name]
    for name, value in wished.items():
        if name not in _NOT_BODY:
            merged[name] = copy.deepcopy(value)
    for name in _CARRIED_OVER.get(live.get("kind", ""), ()):
        if name in (live.get("spec") or {}):
            merged["spec"].setdefault(name, live["spec"][name])
    metadata = merged["metadata"]
    for name in ("labels", "annotations"):
        if wished["metadata"].get(name):
            metadata[name] = (metadata.get(name) or {}) | wished["metadata"][name]
    if wished["metadata"].get("ownerReferences"):
        metadata["ownerReferences"] = wished["metadata"]["ownerReferences"]
    return merged


def merge_patch(before: Any, after: Any) -> Any:
    """The JSON merge patch that turns `before` into `after`; an empty map when they are equal."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            inner = merge_patch(old, value)
            if inner:
                patch[name] = inner
        elif value != old:
            patch[name] = value
    return patch
