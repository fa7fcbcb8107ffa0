"""The API server as reconcilers see it: reads from memory, writes over the network whose answers are in memory at once."""

import asyncio
import contextlib
import copy
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from lightkube import ApiError, AsyncClient
from lightkube.types import CascadeType, PatchType

from harness.simulator.controllers.runtime.difference import is_left_alone, merge_patch, replacement, stamped
from harness.simulator.controllers.runtime.informer import Informer
from harness.simulator.controllers.runtime.kind import Kind, resource
from harness.simulator.controllers.runtime.manifest import Key, Manifest, key_of, status
from harness.simulator.controllers.runtime.refusal import REFUSAL, code_of
from harness.simulator.controllers.runtime.store import Index, Store

log = logging.getLogger(__name__)
ATTEMPTS = 4
AUTHOR: ContextVar[object] = ContextVar("author", default=None)
"""Who writes in this task: a controller knows by it the changes that it made itself."""


class Cluster:
    """Informers of every kind that was asked for, and the few writes that controllers make."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self._informers: dict[Kind, Informer] = {}

    def informer(self, kind: Kind, indices: Mapping[str, Index] | None = None) -> Informer:
        """The one informer of a kind; several askers may each bring indices."""
        if kind not in self._informers:
            self._informers[kind] = Informer(self.client, kind)
        for name, function in (indices or {}).items():
            self._informers[kind].store.add_index(name, function)
        return self._informers[kind]

    def store(self, kind: Kind) -> Store:
        """What is known of a kind now."""
        return self._informers[kind].store

    async def run(self, synced: asyncio.Event) -> None:
        """Run all informers until cancelled; `synced` is set when each has listed once."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run())
            for informer in self._informers.values():
                await informer.synced.wait()
            synced.set()

    async def read(self, kind: Kind, key: Key) -> Manifest | None:
        """The object from the API server itself, or None; memory is brought up to date."""
        try:
            return self._heard(kind, await self.client.get(resource(kind), key.name, **_scope(kind, key)))
        except REFUSAL as error:
            if code_of(error) == 404:
                return None
            raise

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create an object. Raises ApiError, 409 when it exists."""
        typed = resource(kind)(copy.deepcopy(manifest))
        key = key_of(manifest)
        return await self._write(kind, key, self.client.create(typed, **_scope(kind, key)))

    async def apply(self, kind: Kind, desired: Manifest, closed: Collection[str] = ()) -> Manifest:
        """Make the object be as desired, creating or replacing it; nothing is sent when nothing differs.

        An object marked `opendatahub.io/managed: "false"` is returned as it is. `closed`: see `difference.contains`.
        Raises ApiError; a conflict is retried on the live object first.
        """
        key = key_of(desired)
        live = self.store(kind).get(key) if kind in self._informers else await self.read(kind, key)
        for attempt in range(ATTEMPTS):
            try:
                if live is None:
                    return await self.create(kind, stamped(desired))
                wanted = None if is_left_alone(live) else replacement(live, desired, closed)
                if wanted is None:
                    return live
                return await self._write(kind, key, self.client.replace(resource(kind)(wanted), **_scope(kind, key)))
            except ApiError as error:
                if error.status.code not in (404, 409) or attempt == ATTEMPTS - 1:
                    raise
                live = await self.read(kind, key)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def declare(self, kind: Kind, desired: Manifest, manager: str) -> Manifest:
        """Server-side apply as this field manager, taking over fields that others set; nothing is sent when nothing differs.

        An object that somebody else controls, or that a person took over, is returned as it is. Raises ApiError.
        """
        key = key_of(desired)
        live = self.store(kind).get(key)
        if live is not None and (is_left_alone(live) or has_controller(live) or replacement(live, desired) is None):
            return live
        typed = resource(kind)(stamped(desired))
        return self._heard(kind, await self.client.apply(typed, field_manager=manager, force=True, **_scope(kind, key)))

    async def write_status(self, kind: Kind, manifest: Manifest, wanted: Manifest) -> Manifest:
        """Make `status` be exactly `wanted`; nothing is sent when it is. An object that has gone meanwhile is no error."""
        patch = merge_patch(status(manifest), wanted)
        if not patch:
            return manifest
        key = key_of(manifest)
        request = self.client.patch(
            resource(kind).Status, key.name, {"status": patch}, patch_type=PatchType.MERGE, **_scope(kind, key)
        )
        try:
            answer = await self._write(kind, key, request, lambda answer: _is_alone(manifest, wanted, answer))
        except ApiError as error:
            if error.status.code == 404:
                return manifest
            raise
        for said in _news(status(manifest), wanted):
            log.info("%s %s: %s", kind, key, said)
        return answer

    async def patch(self, kind: Kind, key: Key, patch: Manifest) -> Manifest:
        """Apply a JSON merge patch. Raises ApiError."""
        return await self._write(kind, key, self._patched(kind, key, patch), lambda _: False)

    def _patched(self, kind: Kind, key: Key, patch: Manifest) -> Awaitable[Any]:
        return self.client.patch(resource(kind), key.name, patch, patch_type=PatchType.MERGE, **_scope(kind, key))

    async def add_finalizer(self, kind: Kind, manifest: Manifest, finalizer: str) -> Manifest:
        """Keep the object until `finalizer` is removed. The version in the patch makes a concurrent change a conflict (409)."""
        present = list(manifest["metadata"].get("finalizers") or ())
        if finalizer in present:
            return manifest
        return await self._set_finalizers(kind, manifest, [*present, finalizer])

    async def remove_finalizer(self, kind: Kind, manifest: Manifest, finalizer: str) -> None:
        """Let the object go as far as `finalizer` is concerned; gone already is no error."""
        present = list(manifest["metadata"].get("finalizers") or ())
        if finalizer not in present:
            return
        try:
            left = await self._set_finalizers(kind, manifest, [name for name in present if name != finalizer])
        except ApiError as error:
            if error.status.code != 404:
                raise
            return
        if _is_last_breath(left) and kind in self._informers:
            self._informers[kind].forget(
                left
            )  # nothing keeps it any more, and whoever looks before the watch says so would write again

    async def delete(self, kind: Kind, manifest: Manifest, grace_s: int | None = None) -> None:
        """Delete an object unless a person took it over, and what it owns: a Job would leave its Pods behind. Gone already is no error."""
        if is_left_alone(manifest):
            return
        key = key_of(manifest)
        try:
            await self.client.delete(
                resource(kind), key.name, grace_period=grace_s, cascade=CascadeType.BACKGROUND, **_scope(kind, key)
            )
        except REFUSAL as error:
            if code_of(error) != 404:
                raise

    async def _set_finalizers(self, kind: Kind, manifest: Manifest, finalizers: list[str]) -> Manifest:
        version = manifest["metadata"]["resourceVersion"]
        patch = {"metadata": {"finalizers": finalizers, "resourceVersion": version}}
        key = key_of(manifest)
        return await self._write(kind, key, self._patched(kind, key, patch))

    async def _write(
        self, kind: Kind, key: Key, request: Awaitable[Any], is_alone: Callable[[Any], bool] = lambda _: True
    ) -> Manifest:
        """Send a write and take in its answer, as this task's own where `is_alone` says that it holds nothing that others wrote.

        By default it does not: the write is of a known version, or of a new object.
        """
        informer = self._informers.get(kind)
        with informer.writes.awaiting(key) if informer is not None else contextlib.nullcontext():
            answer = await request
            return self._heard(kind, answer, AUTHOR.get() if is_alone(answer) else None)

    def _heard(self, kind: Kind, answer: Any, author: object = None) -> Manifest:
        manifest: Manifest = dict(answer)
        informer = self._informers.get(kind)
        if informer is not None and not _is_last_breath(manifest):
            informer.observe(manifest, author)
        return manifest


def has_controller(manifest: Manifest) -> bool:
    """Whether another object owns this one as its controller."""
    return any(reference.get("controller") for reference in manifest["metadata"].get("ownerReferences") or ())


def _is_alone(before: Manifest, wanted: Manifest, answer: Any) -> bool:
    """Whether an object differs from what it was by the status that was written, and nobody else changed it meanwhile."""
    moved = ("resourceVersion", "managedFields")
    old, new = ({name: one for name, one in held["metadata"].items() if name not in moved} for held in (before, answer))
    return answer.get("status") == wanted and old == new and answer.get("spec") == before.get("spec")


def _is_last_breath(manifest: Manifest) -> bool:
    """Whether the write that returned this removed the last finalizer, so that the object is gone by now."""
    metadata = manifest["metadata"]
    return bool(metadata.get("deletionTimestamp")) and not metadata.get("finalizers")


def _scope(kind: Kind, key: Key) -> dict[str, Any]:
    return {"namespace": key.namespace} if kind.namespaced else {}


def _news(before: Manifest, after: Manifest) -> Iterator[str]:
    """What of a new status is worth a line of the log: another phase, another readiness and why."""
    if after.get("phase") != before.get("phase"):
        yield f"phase {after.get('phase')}, was {before.get('phase', 'none')}"
    old, new = _ready(before), _ready(after)
    if new and new.get("status") != old.get("status"):
        yield f"Ready={new.get('status')} {new.get('reason', '')}".rstrip()


def _ready(of: Manifest) -> Manifest:
    return next((entry for entry in of.get("conditions") or () if entry.get("type") == "Ready"), {})
