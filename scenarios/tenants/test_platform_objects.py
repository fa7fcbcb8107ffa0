"""What the controller keeps for itself: objects it applies and repairs, the roles it brings, and the errand that cleans up keys."""

from typing import Any

from harness.engine.declaration import check
from harness.kube.access import Permission, may_as
from harness.kube.manifest import Manifest, Ref, condition
from harness.kube.wait import Expectation, has_phase
from harness.platforms.platform import Need
from harness.world.expectations import expect, expect_equal, expect_served
from harness.world.outside import INFERENCE
from harness.world.tenant import Tenant, expect_object
from harness.world.world import World

NEEDS: tuple[Need, ...] = ("kube", "models", "tenants")
GROUP = "maas.opendatahub.io"
ROLES = "rbac.authorization.k8s.io/v1"
OF_OWNERS = ("maasmodelrefs", "externalmodels", "externalproviders")


def another(ref: Ref, uid: str) -> Expectation:
    """The object exists, and is not the one of that uid."""
    return Expectation(ref, "made anew", lambda found: found is not None and found["metadata"]["uid"] != uid)


@check("MAAS-CTRL-022", needs=NEEDS)
def test_a_platform_object_is_applied_and_comes_back(world: World) -> None:
    tenant = world.tenant()
    cluster = world.estate.cluster
    for ref in (tenant.workload, tenant.service):
        found = cluster.get(ref) or {}
        managers = {(entry["manager"], entry["operation"]) for entry in found["metadata"].get("managedFields") or ()}
        applied = ("maas-controller", "Apply")
        expect(applied in managers, expected=f"{ref} applied by maas-controller", observed=repr(sorted(managers)))
    before = (cluster.get(tenant.workload) or {})["metadata"]["uid"]
    cluster.delete(tenant.workload)
    expect_object(tenant, another(tenant.workload, before))
    expect_object(tenant, has_phase(tenant.config, "Active"))
    somebody = tenant.person(tenant.identity())
    answer, _ = world.until(somebody.models, lambda seen: seen.status == 200)
    expect_served(answer, when="the management API was made anew")


@check("MAAS-CTRL-022", needs=NEEDS)
def test_an_object_that_somebody_else_controls_is_left_alone(world: World) -> None:
    tenant = world.tenant()
    cluster = world.estate.cluster
    cron = cleanup_of(tenant)
    keeper = Ref("v1", "ConfigMap", f"{tenant.name}-keeper", tenant.infra)
    metadata = {"name": keeper.name, "namespace": keeper.namespace}
    world.declare({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    world.settle()
    uid = (cluster.get(keeper) or {})["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": keeper.name, "uid": uid, "controller": True}
    ref = Ref.of(cron)
    cluster.patch(ref, {"metadata": {"ownerReferences": [owner]}})
    cluster.patch(ref, {"spec": {"schedule": "7 7 * * *"}})
    before = (cluster.get(tenant.workload) or {})["metadata"]["uid"]
    cluster.delete(tenant.workload)  # its return shows that the controller has looked at all of them
    expect_object(tenant, another(tenant.workload, before))
    expect_object(tenant, has_phase(tenant.config, "Active"))
    kept = cluster.get(ref) or {}
    expect_equal(kept["spec"]["schedule"], "7 7 * * *", of="schedule of a CronJob that somebody else controls")


@check("MAAS-CTRL-023", needs={"kube", "administrators"})
def test_owners_and_viewers_of_a_namespace_may_do_what_the_roles_say(world: World) -> None:
    cluster = world.estate.cluster
    namespace = world.space("owned")
    people = {role: world.identity() for role in ("admin", "edit", "view")}
    for role, who in people.items():
        subject = {"kind": "ServiceAccount", "name": who.account.name, "namespace": who.account.namespace}
        world.declare(
            {
                "apiVersion": ROLES,
                "kind": "RoleBinding",
                "metadata": {"name": f"{world.name}-{role}", "namespace": namespace},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [subject],
            }
        )
    world.settle()

    def may(role: str, verb: str, plural: str) -> bool:
        who = people[role]
        group = INFERENCE.partition("/")[0] if plural == "externalproviders" else GROUP
        return may_as(cluster, Permission(verb, plural, group, namespace), user=who.username, groups=who.groups)

    opened, closed = OF_OWNERS, ("maassubscriptions", "maasauthpolicies", "aitenants")
    asked = [
        (role, verb, plural)
        for role in people
        for plural in (*opened, *closed)
        for verb in ("get", "list", "create", "update", "delete")
    ]
    wrong = [
        f"{role}: {'may not' if due else 'may'} {verb} {plural}"
        for role, verb, plural in asked
        for due in (plural in opened and (role != "view" or verb in ("get", "list")),)
        if may(role, verb, plural) is not due
    ]
    expect_equal(wrong, [], of="what the namespace roles admin, edit and view allow wrongly or not at all")
    for name, aggregated in (("maas-owner-role", ("admin", "edit")), ("maas-viewer-role", ("view", "edit", "admin"))):
        labels = ((cluster.get(Ref(ROLES, "ClusterRole", name)) or {}).get("metadata") or {}).get("labels") or {}
        missing = [to for to in aggregated if labels.get(f"rbac.authorization.k8s.io/aggregate-to-{to}") != "true"]
        expect_equal(missing, [], of=f"roles that {name} is not aggregated to")


def cleanup_of(tenant: Tenant) -> Manifest:
    """The CronJob that cleans up the tenant's keys."""
    path = "/internal/v1/api-keys/cleanup"
    crons = tenant.estate.cluster.objects("batch/v1", "CronJob", namespace=tenant.infra)
    found = [cron for cron in crons if tenant.name in cron["metadata"]["name"] and path in str(cron["spec"])]
    expect(len(found) == 1, expected=f"a CronJob that calls {path}", observed=f"{len(found)} of them")
    return found[0]


def expect_confined(cron: Manifest) -> None:
    """Schedule, concurrency and confinement as the row has them."""
    spec = cron["spec"]
    expect_equal(
        (spec["schedule"], spec["concurrencyPolicy"]), ("*/15 * * * *", "Forbid"), of="schedule and concurrency"
    )
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    for container in pod["containers"]:
        context = container.get("securityContext") or {}
        confined: tuple[Any, ...] = (
            context.get("runAsNonRoot", (pod.get("securityContext") or {}).get("runAsNonRoot")),
            context.get("readOnlyRootFilesystem"),
        )
        expect_equal(confined, (True, True), of="runAsNonRoot and readOnlyRootFilesystem")


@check("MAAS-KEY-104", needs={"kube"})
def test_expired_keys_are_cleaned_up_every_quarter_of_an_hour(world: World) -> None:
    place = world.wire.platform.namespaces.infra
    cron = world.estate.cluster.get(Ref("batch/v1", "CronJob", "maas-api-key-cleanup", place))
    expect(cron is not None, expected=f"CronJob {place}/maas-api-key-cleanup", observed="it does not exist")
    expect_confined(cron or {})


@check("MAAS-KEY-104", needs=NEEDS)
def test_the_errand_that_cleans_up_keys_runs(world: World) -> None:
    """As `kubectl create job --from=cronjob/…` starts it, rather than a quarter of an hour later."""
    tenant = world.common_tenant()
    cron = cleanup_of(tenant)
    expect_confined(cron)
    ref = Ref("batch/v1", "Job", f"{world.name}-cleanup", tenant.infra)
    metadata = {"name": ref.name, "namespace": ref.namespace}
    world.declare(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": cron["spec"]["jobTemplate"]["spec"]}
    )
    world.settle()
    found = expect_object(tenant, Expectation(ref, "over", is_over)) or {}
    entry = condition(found, "Complete") or {}
    expect(entry.get("status") == "True", expected="a Job that completes", observed=repr(found["status"]))


def is_over(job: Manifest | None) -> bool:
    """Whether a Job has ended, well or not."""
    return job is not None and any(
        (condition(job, kind) or {}).get("status") == "True" for kind in ("Complete", "Failed")
    )
