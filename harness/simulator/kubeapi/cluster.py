"""The state of one API server: store, registry, identities, admission."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.simulator.kubeapi.changes import Entry
from harness.simulator.kubeapi.identity import Identities
from harness.simulator.kubeapi.persistence import Archive
from harness.simulator.kubeapi.resources import Registry, Resource
from harness.simulator.kubeapi.store import Store
from harness.simulator.kubeapi.tally import Tally

if TYPE_CHECKING:
    from harness.simulator.kubeapi.admission import Admission
    from harness.simulator.kubeapi.conversion import Converter

State = Entry | dict[str, Any]
"""An object as it is stored, or one that is not (yet): the outcome of a write, or of one that was only tried."""


@dataclass(slots=True)
class Cluster:
    """Everything that requests read and change; one per process, used by one event loop."""

    store: Store
    registry: Registry
    identities: Identities
    admission: "Admission" = field(init=False)
    converter: "Converter" = field(init=False)
    archive: Archive | None = None
    draining: set[str] = field(default_factory=set)
    closing: bool = False
    tally: Tally = field(default_factory=Tally)

    async def settle(self) -> None:
        """Return when everything written so far is durable; at once where nothing is kept on disk. Raises ApiError 500."""
        if self.archive is not None:
            await self.archive.settle()

    async def to_storage(self, value: dict[str, Any], resource: Resource) -> dict[str, Any]:
        """An object in the version that the store keeps. Raises ApiError 500."""
        return await self.converted(value, resource, resource.stored_api_version)

    async def from_storage(self, value: dict[str, Any], resource: Resource) -> dict[str, Any]:
        """A stored object in the version that a request asks for. Raises ApiError 500."""
        return await self.converted(value, resource, resource.api_version)

    async def shown(self, state: State, resource: Resource) -> dict[str, Any]:
        """A state, stored or not, in the version that a request asks for. Raises ApiError 500."""
        return await self.from_storage(state.decode() if isinstance(state, Entry) else state, resource)

    async def converted(self, value: dict[str, Any], resource: Resource, api_version: str) -> dict[str, Any]:
        """An object in any version of its kind. Raises ApiError 500."""
        if value.get("apiVersion") == api_version:
            return value
        return (await self.converter.convert([value], resource, api_version))[0]
