"""How talking to a cluster fails, as types."""

from typing import Any

from harness.kube.manifest import Ref
from harness.outcome import EnvironmentFault


class Rejected(EnvironmentFault):
    """The API server answered with an error; `status`, `reason`, `message` and `causes` are those of its Status body."""

    def __init__(self, what: str, status: int, body: dict[str, Any]) -> None:
        self.status = status
        self.reason = str(body.get("reason") or "")
        self.message = str(body.get("message") or "")
        self.causes: list[dict[str, Any]] = list((body.get("details") or {}).get("causes") or [])
        super().__init__(f"the Kubernetes API refused to {what}: {status} {self.reason}: {self.message}")

    @property
    def fields(self) -> tuple[str, ...]:
        """Paths of the fields that were at fault, as far as the server named them."""
        return tuple(str(cause["field"]) for cause in self.causes if cause.get("field"))


class WaitExpired(EnvironmentFault):
    """An object was not as it should be within a named bound; `ref` says which."""

    def __init__(self, text: str, ref: Ref) -> None:
        self.ref = ref
        super().__init__(text)
