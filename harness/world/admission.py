"""What the API server says to an object, asked by dry run, so that nothing is stored and nobody's controller wakes up."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from harness.engine.failure import NotConformant, NotReady
from harness.kube.cluster import Cluster
from harness.kube.fault import Rejected
from harness.kube.manifest import Manifest, Ref

_REMOVE = object()


def changed(manifest: Mapping[str, Any], path: str, value: Any) -> Manifest:
    """A copy with one field changed; `path` is dotted, with numbers for list places (`spec.modelRefs.0.name`)."""
    copy: Any = deepcopy(dict(manifest))
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = copy
    for part in parents:
        place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
    if value is _REMOVE:
        place.pop(last)
    else:
        place[last] = value
    return dict(copy)


def without(manifest: Mapping[str, Any], path: str) -> Manifest:
    """A copy that lacks one field."""
    return changed(manifest, path, _REMOVE)


def admitted(cluster: Cluster, manifest: Mapping[str, Any], *, requirement: str | None = None) -> Manifest:
    """The object as the server would store it, defaults filled in. Raises NotConformant when it is refused."""
    try:
        return cluster.create(manifest, dry_run=True)
    except Rejected as refused:
        raise NotConformant(
            expected=f"{Ref.of(manifest)} is admitted", observed=str(refused), requirement=requirement
        ) from refused


def expect_invalid(
    cluster: Cluster, valid: Mapping[str, Any], wrong: Mapping[str, Any], *, requirement: str | None = None
) -> Rejected:
    """422 Invalid for the wrong object, where the valid one is admitted: a server that refuses everything proves nothing.

    Raises NotReady when the valid one is refused too: then the check is mistaken about this platform.
    """
    try:
        cluster.create(valid, dry_run=True)
    except Rejected as refused:
        raise NotReady(f"the control {Ref.of(valid)} is refused as well: {refused}") from refused
    try:
        cluster.create(wrong, dry_run=True)
    except Rejected as refused:
        if refused.status == 422:
            return refused
        raise NotConformant(
            expected="422 Invalid",
            observed=f"{refused.status} {refused.reason}: {refused.message}",
            requirement=requirement,
        ) from refused
    raise NotConformant(expected="422 Invalid", observed="the object was admitted", requirement=requirement)
