"""Kubernetes objects as plain data, and how to name one in a sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ref:
    """Which object is meant; `namespace` is None for kinds that live outside namespaces."""

    api_version: str
    kind: str
    name: str
    namespace: str | None = None

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Self:
        """The identity of a manifest. Raises KeyError when it lacks apiVersion, kind or metadata.name."""
        metadata = manifest["metadata"]
        return cls(manifest["apiVersion"], manifest["kind"], metadata["name"], metadata.get("namespace"))

    def kubectl(self) -> str:
        """The line that shows the object as it stands."""
        group, slash, _ = self.api_version.partition("/")
        kind = f"{self.kind.lower()}.{group}" if slash else self.kind.lower()
        return f"kubectl get {kind} {self.name}" + (f" -n {self.namespace}" if self.namespace else "") + " -o yaml"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def condition(manifest: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """The status condition of that type; None when the object does not carry it."""
    conditions = (manifest.get("status") or {}).get("conditions") or []
    return next((entry for entry in conditions if entry.get("type") == kind), None)


def describe_status(manifest: Mapping[str, Any] | None) -> str:
    """What an object says of itself, short enough for one sentence: phase, and every condition that is not True with its reason."""
    if manifest is None:
        return "it does not exist"
    status = manifest.get("status") or {}
    words = [f"phase {status['phase']}"] if "phase" in status else []
    words += [
        f"{entry.get('type')}={entry.get('status')} ({entry.get('reason', 'no reason')}: {entry.get('message', '')})"
        for entry in status.get("conditions") or []
        if entry.get("status") != "True"
    ]
    return ", ".join(words) or ("no status yet" if not status else "every condition it has is True")
