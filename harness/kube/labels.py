"""The labels by which everything a run creates can be found again, also by a janitor that knows nothing else of the run."""

import time
from collections.abc import Mapping
from typing import Any, Final

from harness.kube.manifest import Manifest

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "maas-conformance"
RUN: Final = "maas-conformance.dev/run"
CREATED: Final = "maas-conformance.dev/created"  # Unix seconds: label values cannot hold RFC 3339's colons


def run_labels(run_id: str, *, now: float | None = None) -> dict[str, str]:
    """Labels for an object of this run; `run_id` must be a valid label value (63 characters, alphanumeric ends)."""
    return {MANAGED_BY: MANAGER, RUN: run_id, CREATED: str(int(time.time() if now is None else now))}


def labelled(manifest: Mapping[str, Any], labels: Mapping[str, str]) -> Manifest:
    """A copy of the manifest that carries these labels too; its own labels of other names stay."""
    metadata = dict(manifest.get("metadata") or {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    return {**manifest, "metadata": metadata}


def selector(run_id: str | None = None) -> str:
    """The label selector of one run's objects, or of every run's."""
    own = f"{MANAGED_BY}={MANAGER}"
    return f"{own},{RUN}={run_id}" if run_id else f"{own},{RUN}"
