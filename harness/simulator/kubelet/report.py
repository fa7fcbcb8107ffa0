"""What becomes of a process on its Pod, in one write: whoever sees the Pod ready finds its addresses, never one without the other."""

import logging
from collections.abc import Mapping
from typing import Any

from lightkube import ApiError
from lightkube.types import PatchType

from harness.simulator.controllers.runtime.cluster import Cluster
from harness.simulator.controllers.runtime.difference import merge_patch
from harness.simulator.controllers.runtime.kind import POD, resource
from harness.simulator.controllers.runtime.manifest import Manifest, key_of, status

log = logging.getLogger(__name__)


async def report(cluster: Cluster, pod: Manifest, annotations: Mapping[str, str | None], wanted: Manifest) -> None:
    """Make the Pod's status be `wanted` and change these annotations (None removes one); nothing is sent when all is so already.

    Both go to the status subresource, which takes a Pod's annotations too. A Pod that has gone meanwhile is no error. Raises ApiError.
    """
    body = change(pod, annotations, wanted)
    if not body:
        return
    key = key_of(pod)
    try:
        answer = await cluster.client.patch(
            resource(POD).Status, key.name, body, patch_type=PatchType.MERGE, namespace=key.namespace
        )
    except ApiError as error:
        if error.status.code != 404:
            raise
        return
    if wanted.get("phase") != status(pod).get("phase"):
        log.info("pod %s: phase %s, was %s", key, wanted.get("phase"), status(pod).get("phase", "none"))
    cluster.informer(POD).observe(dict(answer))


def change(pod: Manifest, annotations: Mapping[str, str | None], wanted: Manifest) -> dict[str, Any]:
    """The JSON merge patch of a report, empty when there is nothing to say."""
    patch = merge_patch(status(pod), wanted)
    said: dict[str, Any] = {"status": patch} if patch else {}
    return said | ({"metadata": {"annotations": dict(annotations)}} if annotations else {})
