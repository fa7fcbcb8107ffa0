"""The API server as tests use it: writes, reads, and waits that a watch ends."""

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightkube
from lightkube import ApiError, KubeConfig
from lightkube.config import client_adapter
from lightkube.types import PatchType

from harness.simulator.controllers.runtime.kind import Kind, resource
from harness.simulator.controllers.runtime.manifest import Manifest

BOUND_S = 60.0


class Client:
    """A thin face on lightkube for generic kinds."""

    def __init__(self, kubeconfig: Path) -> None:
        config = KubeConfig.from_file(kubeconfig).get()
        self._client = lightkube.Client(config=config, trust_env=False)
        self._http = client_adapter.Client(config, client_adapter.ConnectionParams(trust_env=False))

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

    def until(self, kind: Kind, name: str, namespace: str, holds: Callable[[Manifest | None], Any]) -> Manifest | None:
        """The object (None: it does not exist) as soon as `holds` says so. Fails with its last form after the bound."""
        found = self.get(kind, name, namespace)
        deadline = time.monotonic() + BOUND_S
        while not holds(found) and (left := deadline - time.monotonic()) > 0:
            version = (found or {}).get("metadata", {}).get("resourceVersion")
            for event in self._events(kind, name, namespace, version, left):
                found = None if event["type"] == "DELETED" else event["object"]
                if holds(found) or time.monotonic() > deadline:
                    break
        assert holds(found), f"{kind.kind} {namespace}/{name} did not get there in {BOUND_S} s; it is {found}"
        return found

    def _events(
        self, kind: Kind, name: str, namespace: str, version: str | None, left_s: float
    ) -> Iterator[dict[str, Any]]:
        """Events of one object until the server ends the watch; lightkube's own watch never ends."""
        root = f"/apis/{kind.group}" if kind.group else "/api"
        place = f"/namespaces/{namespace}" if kind.namespaced else ""
        params = {"watch": "true", "fieldSelector": f"metadata.name={name}", "timeoutSeconds": str(math.ceil(left_s))}
        if version:
            params["resourceVersion"] = version
        url = f"{root}/{kind.version}{place}/{kind.plural}"
        with self._http.stream("GET", url, params=params, timeout=left_s + 5) as answer:
            for line in answer.iter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                yield event

    @staticmethod
    def _scope(kind: Kind, namespace: str) -> dict[str, Any]:
        return {"namespace": namespace} if kind.namespaced else {}
