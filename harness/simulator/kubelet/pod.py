"""Pods: what a Deployment's template becomes, and what a Pod's status says of its process."""

import hashlib
import json
import secrets
from collections.abc import Iterable
from typing import Any

from harness.simulator.controllers.runtime.condition import Condition, find, truth, update
from harness.simulator.controllers.runtime.manifest import Manifest, annotations, owner_reference, spec, status
from harness.simulator.kubelet.process import Standing

HASH_LABEL = "pod-template-hash"
URL = "maas-conformance.dev/url"
ADMIN_URL = "maas-conformance.dev/admin-url"
LOG = "maas-conformance.dev/log"
ADDRESS = "127.0.0.1"


def template_hash(deployment: Manifest) -> str:
    """Ten hex digits that change whenever the Pod template does."""
    text = json.dumps(spec(deployment).get("template") or {}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def new_pod(deployment: Manifest, node: str) -> Manifest:
    """A Pod of the Deployment's present template, with a name of its own."""
    template = spec(deployment).get("template") or {}
    digest = template_hash(deployment)
    metadata = template.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{deployment['metadata']['name'][:230]}-{digest}-{secrets.token_hex(3)[:5]}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": (metadata.get("labels") or {}) | {HASH_LABEL: digest},
            "annotations": dict(metadata.get("annotations") or {}),
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": (template.get("spec") or {}) | {"nodeName": node},
    }


def by_owner(manifest: Manifest) -> Iterable[object]:
    """Index by the uid of the controller."""
    return [ref.get("uid") for ref in manifest["metadata"].get("ownerReferences") or () if ref.get("controller")]


def has_ended(pod: Manifest) -> bool:
    """Whether the Pod's work is done, well or not; such a Pod is never started again."""
    return status(pod).get("phase") in ("Succeeded", "Failed")


def runs_once(pod: Manifest) -> bool:
    """Whether the Pod's process is left alone when it has ended."""
    return spec(pod).get("restartPolicy") in ("Never", "OnFailure")


def is_ready(pod: Manifest) -> bool:
    """Whether the Pod's Ready condition is True."""
    return (find(status(pod).get("conditions"), "Ready") or {}).get("status") == "True"


def earlier_starts(pod: Manifest) -> int:
    """How often a Pod's process was started by a kubelet that has gone: the next start is a restart."""
    entry = next(iter(status(pod).get("containerStatuses") or ()), None)
    if entry is None or "ErrImageNeverPull" in str(entry.get("state")):
        return 0
    return int(entry.get("restartCount") or 0) + 1


def address_annotations(pod: Manifest, standing: Standing, log: str) -> dict[str, str | None]:
    """What has to change in the annotations so that they say where the Pod's server, journal and log are (None removes)."""
    wanted = {URL: standing.endpoints.get("api"), ADMIN_URL: standing.endpoints.get("admin"), LOG: log}
    present = annotations(pod)
    return {name: value for name, value in wanted.items() if present.get(name) != value}


def pod_status(pod: Manifest, standing: Standing, now: str) -> dict[str, Any]:
    """The whole status of a Pod with a process."""
    before = status(pod)
    if standing.state == "ended":
        return _ended_status(pod, standing, now)
    serving = standing.state == "running"
    waits = "" if serving else _waiting_reason(standing)
    changed = [
        Condition("PodScheduled", "True"),
        Condition("Initialized", "True"),
        Condition("ContainersReady", truth(serving), "" if serving else "ContainersNotReady"),
        Condition("Ready", truth(serving), "" if serving else "ContainersNotReady"),
    ]
    return {
        "phase": "Running" if serving or standing.restarts else "Pending",
        "podIP": ADDRESS,
        "podIPs": [{"ip": ADDRESS}],
        "hostIP": ADDRESS,
        "startTime": before.get("startTime") or now,
        "conditions": update(before.get("conditions"), changed, now),
        "containerStatuses": [
            _container(pod, entry, standing, waits, now) for entry in spec(pod).get("containers") or ()
        ],
    }


def _ended_status(pod: Manifest, standing: Standing, now: str) -> dict[str, Any]:
    """The status of a Pod whose work is done."""
    well = standing.exit_code == 0
    ended = {"terminated": _terminated(standing.exit_code or 0) | {"finishedAt": now}}
    changed = [
        Condition(kind, "False", "PodCompleted" if well else "PodFailed") for kind in ("ContainersReady", "Ready")
    ]
    return status(pod) | {
        "phase": "Succeeded" if well else "Failed",
        "conditions": update(status(pod).get("conditions"), changed, now),
        "containerStatuses": [
            _entry(entry, ready=False, restarts=standing.restarts) | {"state": ended}
            for entry in spec(pod).get("containers") or ()
        ],
    }


def refused_status(pod: Manifest, message: str, now: str) -> dict[str, Any]:
    """The status of a Pod whose container cannot be run here."""
    before = status(pod)
    entries = [
        _entry(one, ready=False, restarts=0)
        | {"state": {"waiting": {"reason": "ErrImageNeverPull", "message": message}}}
        for one in spec(pod).get("containers") or ()
    ]
    changed = [
        Condition("PodScheduled", "True"),
        Condition("Ready", "False", "ContainersNotReady", message),
    ]
    return {
        "phase": "Pending",
        "conditions": update(before.get("conditions"), changed, now),
        "containerStatuses": entries,
    }


def _waiting_reason(standing: Standing) -> str:
    return "CrashLoopBackOff" if standing.state == "backoff" else "ContainerCreating"


def _entry(container: dict[str, Any], *, ready: bool, restarts: int) -> dict[str, Any]:
    return {
        "name": container["name"],
        "image": container.get("image") or "",
        "imageID": "",
        "ready": ready,
        "started": ready,
        "restartCount": restarts,
    }


def _container(pod: Manifest, container: dict[str, Any], standing: Standing, waits: str, now: str) -> dict[str, Any]:
    entry = _entry(container, ready=not waits, restarts=standing.restarts)
    if waits:
        entry["state"] = {"waiting": {"reason": waits}}
    else:
        entry["state"] = {"running": {"startedAt": _running_since(pod, container["name"], standing) or now}}
    if standing.restarts and standing.exit_code is not None:
        entry["lastState"] = {"terminated": _terminated(standing.exit_code)}
    return entry


def _running_since(pod: Manifest, name: str, standing: Standing) -> str | None:
    for entry in status(pod).get("containerStatuses") or ():
        if entry.get("name") == name and entry.get("restartCount") == standing.restarts:
            return ((entry.get("state") or {}).get("running") or {}).get("startedAt")
    return None


def _terminated(code: int) -> dict[str, Any]:
    """Exit codes as container runtimes give them: 128 and the signal's number for a signal."""
    return {"exitCode": 128 - code if code < 0 else code, "reason": "Completed" if code == 0 else "Error"}
