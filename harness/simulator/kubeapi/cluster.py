"""The state of one API server: store, registry, identities, admission."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.simulator.kubeapi.identity import Identities
from harness.simulator.kubeapi.persistence import Archive
from harness.simulator.kubeapi.resources import Registry, Resource
from harness.simulator.kubeapi.store import Store

if TYPE_CHECKING:
    from harness.simulator.kubeapi.admission import Admission


@dataclass(slots=True)
class Cluster:
    """Everything that requests read and change; one per process, used by one event loop."""

    store: Store
    registry: Registry
    identities: Identities
    admission: "Admission" = field(init=False)
    archive: Archive | None = None
    draining: set[str] = field(default_factory=set)
    closing: bool = False

    async def settle(self) -> None:
        """Return when everything written so far is durable; at once where nothing is kept on disk. Raises ApiError 500."""
        if self.archive is not None:
            await self.archive.settle()

    def to_storage(self, value: dict[str, Any], resource: Resource) -> dict[str, Any]:
        """An object in the version that the store keeps."""
        return converted(value, resource.stored_api_version)

    def from_storage(self, value: dict[str, Any], resource: Resource) -> dict[str, Any]:
        """A stored object in the version that a request asks for."""
        return converted(value, resource.api_version)


def converted(value: dict[str, Any], api_version: str) -> dict[str, Any]:
    """The same object under another `apiVersion` (conversion strategy `None`)."""
    if value.get("apiVersion") != api_version:
        value = {**value, "apiVersion": api_version}
    return value
