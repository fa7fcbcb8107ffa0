"""Waiting for objects by watching them: never by polling with requests that cost quota, never without a named bound."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.kube.cluster import Cluster
from harness.kube.fault import Rejected, WaitExpired
from harness.kube.manifest import Manifest, Ref, condition, describe_status

CROWD = 4
"""From so many objects of one kind and namespace on, one list and one watch cost less than a list for each."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How long something may take, and the name by which a report quotes it."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Expectation:
    """What an object should become; `holds` gets None while (or once) the object does not exist."""

    ref: Ref
    what: str
    holds: Callable[[Manifest | None], bool]


def has_condition(ref: Ref, kind: str, status: str = "True") -> Expectation:
    """The condition has that status, and speaks of the object's present generation where it names one."""

    def holds(manifest: Manifest | None) -> bool:
        entry = condition(manifest, kind) if manifest else None
        return (
            entry is not None and entry.get("status") == status and manifest is not None and _current(manifest, entry)
        )

    return Expectation(ref, f"{kind}={status}", holds)


def has_phase(ref: Ref, *phases: str) -> Expectation:
    """`status.phase` is one of these."""
    return Expectation(
        ref,
        f"phase {' or '.join(phases)}",
        lambda manifest: ((manifest or {}).get("status") or {}).get("phase") in phases,
    )


def exists(ref: Ref) -> Expectation:
    """The object is there, whatever it says."""
    return Expectation(ref, "existing", lambda manifest: manifest is not None)


def is_gone(ref: Ref) -> Expectation:
    """The object is there no longer: deleted, and its finalizers done."""
    return Expectation(ref, "gone", lambda manifest: manifest is None)


def _current(manifest: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    generation = manifest.get("metadata", {}).get("generation")
    observed = entry.get("observedGeneration")
    return generation is None or observed is None or observed >= generation


def wait_for(cluster: Cluster, expectation: Expectation, bound: Bound) -> Manifest | None:
    """Return the object as soon as the expectation holds (None when it is the absence that was expected).

    Raises WaitExpired, quoting the bound and what the object last said of itself.
    """
    return _wait_until(cluster, expectation, bound, time.monotonic() + bound.seconds)


def wait_for_all(cluster: Cluster, expectations: Iterable[Expectation], bound: Bound) -> None:
    """Wait until each has held, all within one bound. Many objects of one kind and namespace are listed and watched together."""
    deadline = time.monotonic() + bound.seconds
    groups: dict[tuple[str, str, str | None], list[Expectation]] = {}
    for expectation in expectations:
        ref = expectation.ref
        groups.setdefault((ref.api_version, ref.kind, ref.namespace), []).append(expectation)
    for group in groups.values():
        if len(group) >= CROWD:
            _wait_for_crowd(cluster, group, bound, deadline)
            continue
        for expectation in group:
            _wait_until(cluster, expectation, bound, deadline)


def _wait_for_crowd(cluster: Cluster, pending: list[Expectation], bound: Bound, deadline: float) -> None:
    """As `_wait_until` for objects of one kind and namespace, with one list and one watch for all of them."""
    ref = pending[0].ref
    while True:
        listed, version = _list(cluster, ref)
        seen: dict[str, Manifest | None] = {item["metadata"]["name"]: item for item in listed}
        pending = [one for one in pending if not one.holds(seen.get(one.ref.name))]
        if not pending:
            return
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise _expired(pending[0], bound, seen.get(pending[0].ref.name))
        watched = cluster.watch(
            ref.api_version, ref.kind, namespace=ref.namespace, resource_version=version, timeout_s=remaining
        )
        for event, manifest in watched:
            if event == "ERROR":
                break  # usually 410 Gone: list again
            name, now = manifest["metadata"]["name"], None if event == "DELETED" else manifest
            pending = [one for one in pending if one.ref.name != name or not one.holds(now)]
            if not pending:
                return
            if time.monotonic() >= deadline:
                break


def _wait_until(cluster: Cluster, expectation: Expectation, bound: Bound, deadline: float) -> Manifest | None:
    ref = expectation.ref
    while True:
        seen, version = _look(cluster, ref)
        if expectation.holds(seen):
            return seen
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise _expired(expectation, bound, seen)
        watched = cluster.watch(
            ref.api_version,
            ref.kind,
            namespace=ref.namespace,
            name=ref.name,
            resource_version=version,
            timeout_s=remaining,
        )
        for event, manifest in watched:
            if event == "ERROR":
                break  # usually 410 Gone: list again
            seen = None if event == "DELETED" else manifest
            if expectation.holds(seen):
                return seen
            if time.monotonic() >= deadline:
                break


def _expired(expectation: Expectation, bound: Bound, seen: Manifest | None) -> WaitExpired:
    ref = expectation.ref
    return WaitExpired(
        f"{ref} was not {expectation.what} within {bound.seconds:g} s ({bound.name}): {describe_status(seen)}", ref
    )


def _look(cluster: Cluster, ref: Ref) -> tuple[Manifest | None, str]:
    items, version = _list(cluster, ref, name=ref.name)
    return next(iter(items), None), version


def _list(cluster: Cluster, ref: Ref, name: str | None = None) -> tuple[list[Manifest], str]:
    try:
        return cluster.list_at(ref.api_version, ref.kind, namespace=ref.namespace, name=name)
    except Rejected as error:
        if error.status == 404:  # the kind is not served (yet): an absence like any other
            return [], "0"
        raise


def delete_and_wait(cluster: Cluster, refs: Iterable[Ref], bound: Bound) -> None:
    """Delete these objects and wait until every one is gone. Raises WaitExpired naming one that stays, and its finalizers' word."""
    doomed = [ref for ref in refs if cluster.delete(ref)]
    wait_for_all(cluster, [is_gone(ref) for ref in doomed], bound)
