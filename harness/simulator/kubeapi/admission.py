"""Admission: webhooks that controllers register."""

from typing import TYPE_CHECKING, Any

from harness.simulator.kubeapi.cluster import Cluster

if TYPE_CHECKING:
    from harness.simulator.kubeapi.writes import Write


class Admission:
    """Asks every matching webhook before a write."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def admit(self, operation: str, value: dict[str, Any], old: dict[str, Any] | None, write: "Write") -> dict[str, Any]:  # noqa: ARG002 - hooks
        """The object that may be stored. Raises ApiError when a webhook refuses."""
        return value
