"""What a kubelet and the Job controller would say of a tenant's workloads, for tests without them."""

import contextlib

from lightkube import ApiError

from harness.simulator.controllers.maas.workload import revocation_name
from harness.simulator.controllers.runtime.condition import holds
from harness.simulator.controllers.runtime.kind import AI_TENANT, DEPLOYMENT, ENDPOINT_SLICE, JOB
from harness.simulator.controllers.runtime.manifest import Manifest, key_of
from tests.controllers.client import Client

INFRA = "odh-ai-gateway-infra"
NOW = "2026-01-01T00:00:00Z"


def make_available(client: Client, tenant: str) -> None:
    """Say that the tenant's maas-api serves, and where."""
    name = f"maas-api-{tenant}"
    found = client.until(DEPLOYMENT, name, INFRA, bool)
    assert found is not None
    condition = {"type": "Available", "status": "True", "reason": "Test", "message": "", "lastTransitionTime": NOW}
    observed = found["metadata"]["generation"]
    status = {"observedGeneration": observed, "availableReplicas": 1, "conditions": [condition]}
    client.patch(DEPLOYMENT, name, {"status": status}, INFRA, status=True)
    with contextlib.suppress(ApiError):  # there from before
        client.create(
            ENDPOINT_SLICE,
            f"{name}-test",
            INFRA,
            metadata={"labels": {"kubernetes.io/service-name": name}},
            addressType="IPv4",
            ports=[{"name": "http", "port": 1, "protocol": "TCP"}],
            endpoints=[{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}],
        )


def revocation_of(client: Client, tenant: str) -> Manifest:
    """The Job that is to revoke a tenant's keys, as soon as there is one that has not ended."""
    owner = client.get(AI_TENANT, tenant, "ai-tenants")
    assert owner is not None
    found = client.until(JOB, revocation_name(owner), INFRA, lambda job: job is not None and not _is_over(job))
    assert found is not None
    return found


def end_job(client: Client, job: Manifest, *, well: bool) -> None:
    """Let a Job succeed or fail."""
    kind = "Complete" if well else "Failed"
    condition = {
        "type": kind,
        "status": "True",
        "reason": "Test",
        "message": "as the test wants",
        "lastTransitionTime": NOW,
    }
    status = {"conditions": [condition], "succeeded" if well else "failed": 1}
    client.patch(JOB, key_of(job).name, {"status": status}, INFRA, status=True)


def end_jobs(client: Client, tenant: str, *, well: bool) -> None:
    """The same for the next one that is started for the tenant."""
    end_job(client, revocation_of(client, tenant), well=well)


def _is_over(job: Manifest) -> bool:
    conditions = (job.get("status") or {}).get("conditions")
    return holds(conditions, "Complete") or holds(conditions, "Failed") or "deletionTimestamp" in job["metadata"]
