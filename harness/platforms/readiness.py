"""When an applied world is a world in force: by the status of its objects alone, so that waiting costs no quota."""

from collections.abc import Iterable, Mapping
from typing import Final

from harness.kube.cluster import Cluster
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Bound, Expectation, has_condition, has_phase, wait_for_all
from harness.platforms.inventory import KUADRANT_AUTH, KUADRANT_TOKENS, objects_or_none

EXPECTED_CONDITION: Final[Mapping[str, str]] = {
    "LLMInferenceService": "Ready",
    "Gateway": "Programmed",
    "Deployment": "Available",
}
EXPECTED_PHASE: Final[Mapping[str, str]] = {
    "MaaSModelRef": "Ready",
    "MaaSAuthPolicy": "Active",
    "MaaSSubscription": "Active",
}
UNREADY_ANNOTATION: Final = "maas-conformance.dev/never-ready"
"""On an object that a world holds because it must not become ready: nobody waits for it."""


def expectations(manifests: Iterable[Manifest]) -> list[Expectation]:
    """What each object of a world has to become; kinds without a notion of readiness are left out."""
    found: list[Expectation] = []
    for manifest in manifests:
        if UNREADY_ANNOTATION in (manifest["metadata"].get("annotations") or {}):
            continue
        kind, ref = manifest["kind"], Ref.of(manifest)
        if kind in EXPECTED_CONDITION:
            found.append(has_condition(ref, EXPECTED_CONDITION[kind]))
        elif kind in EXPECTED_PHASE:
            found.append(has_phase(ref, EXPECTED_PHASE[kind]))
    return found


def wait_until_in_force(cluster: Cluster, manifests: Iterable[Manifest], bound: Bound) -> None:
    """Wait for the world's objects, then for every policy made from them to be Enforced (Envoy and the limiter have it)."""
    wait_for_all(cluster, expectations(manifests), bound)
    found = [
        (has_condition(Ref.of(policy), "Enforced"), policy)
        for api_version, kind in (KUADRANT_AUTH, KUADRANT_TOKENS)
        for policy in objects_or_none(cluster, api_version, kind)
    ]
    wait_for_all(cluster, [enforced for enforced, policy in found if not enforced.holds(policy)], bound)
