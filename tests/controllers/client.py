"""The API server as tests use it: writes, reads, and waits that a watch ends."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightkube
from lightkube import ApiError, KubeConfig
from lightkube.types import PatchType

from harness.simulator.controllers.runtime.kind import Kind, resource
from harness.simulator.controllers.runtime.manifest import Manifest

BOUND_S = 15.0


class Client:
    """A thin face on lightkube for generic kinds."""

    def __init__(self, kubeconfig: Path) -> None:
        self._client = lightkube.Client(config=KubeConfig.from_file(kubeconfig).get(), trust_env=False)

    def create(self, kind: Kind, name: str, namespace: str = "", **fields: Any) -> Manifest:
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {}) | fields.pop("metadata", {})
        typed = resource(kind)({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata} | fields)
        return dict(self._client.create(typed, **self._scope(kind, namespace)))

    def get(self, kind: Kind, name: str, namespace: str = "") -> Manifest | None:
        try:
            return dict(self._client.get(resource(kind), name, **self._scope(kind, namespace)))
        except ApiError as error:
            if error.status.code == 404:
                return None
            raise

    def all(self, kind: Kind, namespace: str) -> list[Manifest]:
        return [dict(found) for found in self._client.list(resource(kind), namespace=namespace)]

    def patch(self, kind: Kind, name: str, patch: Any, namespace: str = "", *, status: bool = False) -> Manifest:
        """A merge patch, or a JSON patch when it is a list."""
        typed = resource(kind).Status if status else resource(kind)
        how = PatchType.JSON if isinstance(patch, list) else PatchType.MERGE
        return dict(self._client.patch(typed, name, patch, patch_type=how, **self._scope(kind, namespace)))

    def delete(self, kind: Kind, name: str, namespace: str = "") -> None:
        self._client.delete(resource(kind), name, **self._scope(kind, namespace))

    def until(
        self, kind: Kind, name: str, namespace: str, holds: Callable[[Manifest | None], Any], bound_s: float = BOUND_S
    ) -> Manifest | None:
        """The object (None: it does not exist) as soon as `holds` says so. Fails with its last form after the bound."""
        found = self.get(kind, name, namespace)
        deadline = time.monotonic() + bound_s
        if holds(found):
            return found
        version = (found or {}).get("metadata", {}).get("resourceVersion")
        scope: dict[str, Any] = {"namespace": namespace} if kind.namespaced else {}
        events = self._client.watch(
            resource(kind),
            fields={"metadata.name": name},
            resource_version=version,
            server_timeout=int(bound_s),
            **scope,
        )
        for operation, item in events:
            found = None if operation == "DELETED" else dict(item)
            if holds(found):
                return found
            if time.monotonic() > deadline:
                break
        raise AssertionError(f"{kind.kind} {namespace}/{name} did not get there in {bound_s} s; it is {found}")

    @staticmethod
    def _scope(kind: Kind, namespace: str) -> dict[str, Any]:
        return {"namespace": namespace} if kind.namespaced else {}
