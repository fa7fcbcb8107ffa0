"""Jobs and CronJobs, as the controllers of Kubernetes run them: a Job makes Pods until one succeeds, a CronJob makes Jobs on time.

They live beside the kubelet stand-in because an API server without kube-controller-manager has nobody else for them, and because the
platform's errands (cleaning up keys, revoking those of a tenant) are Jobs: a person starts one with `kubectl create job --from`.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from cronsim import CronSim, CronSimError
from lightkube import ApiError

from harness.simulator.controllers.runtime.cluster import Cluster
from harness.simulator.controllers.runtime.condition import Condition, holds, update
from harness.simulator.controllers.runtime.controller import Manager
from harness.simulator.controllers.runtime.kind import CRON_JOB, JOB, POD
from harness.simulator.controllers.runtime.manifest import (
    Key,
    Manifest,
    is_deleting,
    key_of,
    owner_reference,
    spec,
    status,
    timestamp,
)
from harness.simulator.controllers.runtime.store import Change
from harness.simulator.kubelet.pod import by_owner, has_ended

NODE = "maas-conformance-local"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
KEPT = {"successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1}
LATE = timedelta(minutes=5)
"""How long after its time a run is still made up for; `startingDeadlineSeconds` says otherwise."""


def job_pod(job: Manifest, number: int) -> Manifest:
    """The Pod of a Job's next attempt; its name is no other Job's, for Pods of an earlier one of the same name may be there still."""
    template = spec(job).get("template") or {}
    metadata = template.get("metadata") or {}
    name = job["metadata"]["name"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name[:240]}-{job['metadata']['uid'][:5]}-{number}",
            "namespace": job["metadata"]["namespace"],
            "labels": (metadata.get("labels") or {}) | {"batch.kubernetes.io/job-name": name, "job-name": name},
            "annotations": dict(metadata.get("annotations") or {}),
            "ownerReferences": [owner_reference(job)],
        },
        "spec": {"restartPolicy": "Never"} | (template.get("spec") or {}) | {"nodeName": NODE},
    }


def job_status(job: Manifest, pods: list[Manifest], now: str) -> dict[str, Any]:
    """The whole status of a Job with one completion, which is what the platform's errands are."""
    phases = [status(pod).get("phase") for pod in pods]
    well, ill = phases.count("Succeeded"), phases.count("Failed")
    spent = ill > int(spec(job).get("backoffLimit", 6))
    result: dict[str, Any] = {
        "startTime": status(job).get("startTime") or now,
        "active": len(pods) - well - ill,
        "ready": 0,
        "succeeded": well,
        "failed": ill,
        "terminating": 0,
    }
    changed = []
    if well:
        changed = [Condition("SuccessCriteriaMet", "True", "CompletionsReached"), Condition("Complete", "True")]
        result["completionTime"] = status(job).get("completionTime") or now
    elif spent:
        text = "Job has reached the specified backoff limit"
        changed = [Condition(kind, "True", "BackoffLimitExceeded", text) for kind in ("FailureTarget", "Failed")]
    before = status(job).get("conditions")
    return result | ({"conditions": update(before, changed, now)} if changed else {})


def is_over(job: Manifest) -> bool:
    """Whether a Job has ended, well or not."""
    conditions = status(job).get("conditions")
    return holds(conditions, "Complete") or holds(conditions, "Failed")


class JobReconciler:
    """Job → Pods, one after the other, and status."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def reconcile(self, key: Key) -> float | None:
        """Take the next step: note what has ended, and start the next attempt when the last one failed."""
        job = self._cluster.store(JOB).get(key)
        if job is None or is_deleting(job) or spec(job).get("suspend"):
            return None
        if is_over(job):
            return await self._expire(job)
        pods = self._cluster.store(POD).by("owner", job["metadata"]["uid"])
        wanted = job_status(job, pods, timestamp())
        job = await self._cluster.write_status(JOB, job, wanted)
        if is_over(job):
            return await self._expire(job)
        if any(not has_ended(pod) for pod in pods):
            return None
        if pods and (pause := self._rest(pods)) > 0:
            return pause
        try:
            await self._cluster.create(POD, job_pod(job, len(pods) + 1))
        except ApiError as error:
            if error.status.code != 409:
                raise
        return None

    async def _expire(self, job: Manifest) -> float | None:
        """Delete a Job whose time after its end is over; seconds until then, None where it stays."""
        kept = spec(job).get("ttlSecondsAfterFinished")
        ends = [entry["lastTransitionTime"] for entry in status(job).get("conditions") or ()]
        if kept is None or not ends:
            return None
        left = float(kept) - (datetime.now(UTC) - datetime.fromisoformat(max(ends))).total_seconds()
        if left > 0:
            return left
        await self._cluster.delete(JOB, job)
        return None

    def _rest(self, pods: list[Manifest]) -> float:
        """Seconds until the next attempt: twice as long after each failure, counted from the end of the last one."""
        ends = [
            entry["state"]["terminated"]["finishedAt"]
            for pod in pods
            for entry in status(pod).get("containerStatuses") or ()
            if "terminated" in (entry.get("state") or {})
        ]
        if not ends:
            return 0
        pause: float = min(FIRST_PAUSE_S * 2 ** (len(pods) - 1), LONGEST_PAUSE_S)
        gone = datetime.now(UTC) - datetime.fromisoformat(max(ends))
        return pause - gone.total_seconds()


def due(cron: Manifest, now: datetime) -> tuple[datetime | None, datetime | None]:
    """The run that is due now, and the next one; both None for a schedule that cannot be read."""
    seen = status(cron).get("lastScheduleTime") or cron["metadata"]["creationTimestamp"]
    since = datetime.fromisoformat(seen)
    seconds = spec(cron).get("startingDeadlineSeconds")
    earliest = now - (timedelta(seconds=seconds) if seconds is not None else LATE)
    try:
        times = CronSim(str(spec(cron)["schedule"]), max(since, earliest))
        missed, coming = None, next(times)
        while coming <= now:
            missed, coming = coming, next(times)
    except (CronSimError, StopIteration):
        return None, None
    return missed, coming


def job_of(cron: Manifest, when: datetime) -> Manifest:
    """The Job of one run, named after the minute as Kubernetes does."""
    template = spec(cron).get("jobTemplate") or {}
    metadata = template.get("metadata") or {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{cron['metadata']['name']}-{int(when.timestamp() // 60)}",
            "namespace": cron["metadata"]["namespace"],
            "labels": dict(metadata.get("labels") or {}),
            "annotations": dict(metadata.get("annotations") or {}),
            "ownerReferences": [owner_reference(cron)],
        },
        "spec": template.get("spec") or {},
    }


class CronJobReconciler:
    """CronJob → Jobs when they are due."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def reconcile(self, key: Key) -> float | None:
        """Make the Job that is due, forget old ones, and look again when the next is."""
        cron = self._cluster.store(CRON_JOB).get(key)
        if cron is None or is_deleting(cron):
            return None
        now = datetime.now(UTC)
        jobs = self._cluster.store(JOB).by("owner", cron["metadata"]["uid"])
        await self._forget(cron, jobs)
        missed, coming = due(cron, now)
        active = [job for job in jobs if not is_over(job)]
        if missed is not None and not spec(cron).get("suspend"):
            await self._run(cron, missed, active)
        return None if coming is None else max((coming - now).total_seconds(), 0.0) + 0.01

    async def _run(self, cron: Manifest, when: datetime, active: list[Manifest]) -> None:
        policy = spec(cron).get("concurrencyPolicy", "Allow")
        if active and policy == "Forbid":
            return
        if policy == "Replace":
            for job in active:
                await self._cluster.delete(JOB, job)
        try:
            await self._cluster.create(JOB, job_of(cron, when))
        except ApiError as error:
            if error.status.code != 409:
                raise
        told = {"lastScheduleTime": when.strftime("%Y-%m-%dT%H:%M:%SZ")}
        await self._cluster.write_status(CRON_JOB, cron, status(cron) | told)

    async def _forget(self, cron: Manifest, jobs: list[Manifest]) -> None:
        for field, kind in (("successfulJobsHistoryLimit", "Complete"), ("failedJobsHistoryLimit", "Failed")):
            ended = [job for job in jobs if holds(status(job).get("conditions"), kind)]
            ended.sort(key=lambda job: str(job["metadata"].get("creationTimestamp")))
            for job in ended[: max(0, len(ended) - int(spec(cron).get(field, KEPT[field])))]:
                await self._cluster.delete(JOB, job)


def batch(manager: Manager) -> None:
    """Add both to a manager."""
    cluster = manager.cluster
    jobs = manager.add("job", JobReconciler(cluster))
    informer = cluster.informer(JOB, {"owner": by_owner})
    jobs.owns(informer)
    jobs.follows(cluster.informer(POD, {"owner": by_owner}), lambda change: _owner(change, "Job"))
    crons = manager.add("cronjob", CronJobReconciler(cluster), workers=1)
    crons.owns(cluster.informer(CRON_JOB))
    crons.follows(informer, lambda change: _owner(change, "CronJob"))


def _owner(change: Change, kind: str) -> list[Key]:
    return [
        Key(key_of(manifest).namespace, ref["name"])
        for manifest in change.both()
        for ref in manifest["metadata"].get("ownerReferences") or ()
        if ref.get("kind") == kind
    ]
