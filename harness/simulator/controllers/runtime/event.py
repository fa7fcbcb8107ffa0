"""Events: what a controller tells the people who look at an object."""

import asyncio
import hashlib
import logging
from typing import Literal

from lightkube import ApiError

from harness.simulator.controllers.runtime.cluster import Cluster
from harness.simulator.controllers.runtime.kind import EVENT
from harness.simulator.controllers.runtime.manifest import Key, Manifest, timestamp

log = logging.getLogger(__name__)


class Recorder:
    """Writes core/v1 Events in the background: an event that cannot be written never holds up the work it speaks of."""

    def __init__(self, cluster: Cluster, component: str) -> None:
        self._cluster = cluster
        self._component = component
        self._pending: set[asyncio.Task[None]] = set()

    def record(self, about: Manifest, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Say once what happened; the same again raises the count of the first."""
        task = asyncio.get_running_loop().create_task(self._write(about, kind, reason, message[:1024]))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _write(self, about: Manifest, kind: str, reason: str, message: str) -> None:
        metadata = about["metadata"]
        namespace = metadata.get("namespace") or "default"
        digest = hashlib.sha256(f"{metadata.get('uid')} {reason} {message}".encode()).hexdigest()[:16]
        key = Key(namespace, f"{metadata['name'][:200]}.{digest}")
        now = timestamp()
        event: Manifest = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": key.name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": metadata["name"],
                "namespace": namespace,
                "uid": metadata.get("uid", ""),
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
            "type": kind,
            "reason": reason,
            "message": message,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._component,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._write_or_count(key, event, now)
        except (ApiError, OSError) as error:
            log.info("event %s about %s not written: %s", reason, key, error)

    async def _write_or_count(self, key: Key, event: Manifest, now: str) -> None:
        try:
            await self._cluster.create(EVENT, event)
        except ApiError as error:
            if error.status.code != 409:
                raise
            known = await self._cluster.read(EVENT, key)
            count = int((known or {}).get("count") or 1) + 1
            await self._cluster.patch(EVENT, key, {"count": count, "lastTimestamp": now})
