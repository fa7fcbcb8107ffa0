"""The end of a tenant: its keys first, then what was made for it; people's objects stay, and a blocked end says so."""

from collections.abc import Iterator

from harness.engine.declaration import check
from harness.kube.manifest import Manifest, Ref, condition
from harness.kube.wait import Expectation, is_gone
from harness.platforms.platform import Need
from harness.world.expectations import expect, expect_equal, expect_refused, expect_served
from harness.world.tenant import Tenant, expect_object, open_tenants
from harness.world.world import World

NEEDS: tuple[Need, ...] = ("kube", "models", "tenants")
STRIPPED = (
    "ai-gateway.opendatahub.io/tenant",
    "maas.opendatahub.io/managed-by-aitenant",
    "maas.opendatahub.io/tenant-name",
    "maas.opendatahub.io/tenant-namespace",
    "maas.opendatahub.io/gateway-access",
)


def deleted(tenant: Tenant) -> list[Manifest]:
    """Delete the AITenant; every state that it went through until it was gone."""
    cluster, ref = tenant.estate.cluster, tenant.ref
    _, version = cluster.list_at(ref.api_version, ref.kind, namespace=ref.namespace, name=ref.name)
    cluster.delete(ref)
    states: list[Manifest] = []
    for event, manifest in cluster.watch(
        ref.api_version,
        ref.kind,
        namespace=ref.namespace,
        name=ref.name,
        resource_version=version,
        timeout_s=tenant.estate.ready_bound.seconds,
    ):
        if event == "DELETED":
            break
        states.append(manifest)
    expect_object(tenant, is_gone(ref))
    return states


def said(states: list[Manifest], kind: str) -> list[tuple[str, str]]:
    """Status and reason of a condition in each state that had it, repetitions left out."""
    found = [condition(state, kind) for state in states]
    pairs = [(str(entry["status"]), str(entry["reason"])) for entry in found if entry]
    return list(dict.fromkeys(pairs))


def revocations(tenant: Tenant) -> Iterator[Manifest]:
    """Jobs of the infra namespace that act on this tenant's keys."""
    path = f"/internal/v1/tenants/{tenant.name}/api-keys"
    for job in tenant.estate.cluster.objects("batch/v1", "Job", namespace=tenant.infra):
        containers = job["spec"]["template"]["spec"]["containers"]
        if any(path in str(container) for container in containers):
            yield job


@check("MAAS-REV-010", "MAAS-MT-010", needs=NEEDS)
def test_keys_of_a_deleted_tenant_are_revoked_first(world: World) -> None:
    tenant = world.tenant()
    customer = tenant.customer()
    expect_served(customer.infer())
    states = deleted(tenant)
    revoked = said(states, "APIKeysRevoked")
    expect(
        bool(revoked) and revoked[-1][0] == "True",
        expected="APIKeysRevoked=True before it goes",
        observed=repr(revoked),
    )
    jobs = list(revocations(tenant))
    complete = [job["metadata"]["name"] for job in jobs if (condition(job, "Complete") or {}).get("status") == "True"]
    expect(
        len(complete) == 1,
        expected="a completed Job that revoked the keys",
        observed=f"{len(jobs)} Jobs, complete: {complete}",
    )
    open_tenants([tenant])  # the same name again: nothing of its past may come back with it
    newcomer = tenant.customer()
    expect_served(newcomer.infer(), when="a key of the tenant that was made anew")
    answer, _ = world.until(tenant.caller(customer.credential).infer, lambda seen: seen.status != 200)
    expect_refused(answer, 403, when="the key is of the tenant that was deleted")
    expect_served(newcomer.infer(), when="only the old key was refused")


@check("MAAS-MT-010", needs=NEEDS)
def test_a_deleted_tenant_leaves_what_people_made(world: World) -> None:
    tenant = world.tenant()
    cluster, who = world.estate.cluster, world.identity()
    subscription = tenant.subscription(who)
    tenant.policy(who)
    tenant.settle()
    made = (tenant.workload, tenant.service, tenant.route, tenant.auth_policy, tenant.config)
    absent = [str(ref) for ref in made if cluster.get(ref) is None]
    expect_equal(absent, [], of="objects of the tenant that are missing before its end")
    deleted(tenant)
    for ref in made:
        expect_object(tenant, is_gone(ref))
    space = cluster.get(Ref("v1", "Namespace", tenant.namespace))
    expect(space is not None, expected="the tenant's namespace stays", observed="it is gone")
    left = set((space or {})["metadata"].get("labels") or {}) & set(STRIPPED)
    expect_equal(left, set(), of="labels of the tenant that are left on its namespace")
    kept = cluster.get(subscription.ref)
    expect(kept is not None, expected="people's subscriptions stay", observed="they are gone")


@check("MAAS-MT-011", "MAAS-STAT-041", needs=NEEDS)
def test_an_end_that_cannot_revoke_says_so_and_goes_on_when_it_can(world: World) -> None:
    """Forcing it after the timeout takes ten minutes; the contract tests of the reference platform show that part."""
    tenant = world.tenant()
    cluster = world.estate.cluster
    cluster.patch(tenant.workload, {"metadata": {"annotations": {"opendatahub.io/managed": "false"}}})
    cluster.patch(tenant.workload, {"spec": {"replicas": 0}})
    expect_object(tenant, Expectation(tenant.workload, "without replicas", without_replicas))
    cluster.delete(tenant.ref)
    found = expect_object(tenant, Expectation(tenant.ref, "Ready=False (DeletionBlocked)", is_blocked_or_gone))
    expect(found is not None, expected="a tenant that waits for its keys to be revoked", observed="it is gone")
    assert found is not None
    expect_equal(found["status"]["phase"], "Terminating", of="phase of a tenant whose end is blocked")
    expect_equal(
        (condition(found, "APIKeysRevoked") or {}).get("status"), "False", of="APIKeysRevoked while nothing was revoked"
    )
    finalizers = found["metadata"].get("finalizers") or []
    expect(bool(finalizers), expected="a finalizer that holds the tenant", observed="none")
    cluster.patch(tenant.workload, {"spec": {"replicas": 1}})
    expect_object(tenant, is_gone(tenant.ref))


def without_replicas(workload: Manifest | None) -> bool:
    """Nothing of it runs any more, as its status says of the present generation."""
    status = (workload or {}).get("status") or {}
    wanted = (workload or {}).get("metadata", {}).get("generation")
    return not status.get("replicas") and status.get("observedGeneration") == wanted


def is_blocked_or_gone(tenant: Manifest | None) -> bool:
    """Whether it says that it cannot go, or has gone all the same."""
    return tenant is None or (condition(tenant, "Ready") or {}).get("reason") == "DeletionBlocked"
