"""What a management API needs before it starts: without it the process ends, rather than serve some of what it should."""

from copy import deepcopy
from typing import Any, Final

from harness.engine.declaration import check
from harness.kube.manifest import Manifest
from harness.kube.wait import Expectation, has_phase
from harness.platforms.platform import Need
from harness.world.expectations import describe, expect, expect_served
from harness.world.patience import until
from harness.world.tenant import Tenant, expect_object
from harness.world.world import World

NEEDS: tuple[Need, ...] = ("kube", "models", "tenants")
VARIABLE: Final = "DB_CONNECTION_URL"
NOWHERE: Final = "postgresql://nobody:nothing@127.0.0.1:1/none"
"""Nobody listens on that port, so a connection is refused at once."""


@check("MAAS-API-013", needs=NEEDS)
def test_without_its_database_a_management_api_ends_and_does_not_serve(world: World) -> None:
    tenant = world.tenant()
    cluster, somebody = world.estate.cluster, tenant.person(tenant.identity())
    expect_served(somebody.models())
    before = cluster.get(tenant.workload) or {}
    cluster.patch(tenant.workload, {"metadata": {"annotations": {"opendatahub.io/managed": "false"}}})
    cluster.patch(tenant.workload, {"spec": {"replicas": 0}})
    expect_object(tenant, Expectation(tenant.workload, "without replicas", without_replicas))
    cluster.patch(tenant.workload, {"spec": {"replicas": 1, "template": with_database(before, NOWHERE)}})
    ended, _ = until(lambda: crashed(tenant), bool, world.estate.ready_bound)
    expect(ended, expected="a Pod that ends and is started again", observed=repr(states(tenant)))
    answer = somebody.manage("GET", "/health")
    expect(
        answer.status is not None and answer.status >= 500,
        expected="a 5xx of the gateway while the management API cannot start",
        observed=describe(answer),
        exchange=answer,
    )
    cluster.patch(tenant.workload, {"spec": {"template": before["spec"]["template"]}})
    expect_object(tenant, has_phase(tenant.config, "Active"))
    answer, _ = world.until(somebody.models, lambda seen: seen.status == 200)
    expect_served(answer, when="the database is there again")


def with_database(workload: Manifest, url: str) -> dict[str, Any]:
    """The Deployment's template with another database."""
    template: dict[str, Any] = deepcopy(workload["spec"]["template"])
    for container in template["spec"]["containers"]:
        others = [entry for entry in container.get("env") or () if entry["name"] != VARIABLE]
        container["env"] = [*others, {"name": VARIABLE, "value": url}]
    return template


def without_replicas(workload: Manifest | None) -> bool:
    """Nothing of it runs any more, as its status says of the present generation."""
    status = (workload or {}).get("status") or {}
    wanted = (workload or {}).get("metadata", {}).get("generation")
    return not status.get("replicas") and status.get("observedGeneration") == wanted


def states(tenant: Tenant) -> list[dict[str, Any]]:
    """What the containers of the tenant's management API say."""
    labels = (tenant.estate.cluster.get(tenant.service) or {})["spec"]["selector"]
    chosen = ",".join(f"{name}={value}" for name, value in labels.items())
    pods = tenant.estate.cluster.objects("v1", "Pod", namespace=tenant.infra, labels=chosen)
    return [one for pod in pods for one in (pod.get("status") or {}).get("containerStatuses") or ()]


def crashed(tenant: Tenant) -> bool:
    """Whether a container has ended with an error, and none is ready."""
    found = states(tenant)
    ends = [(one.get(place) or {}).get("terminated") for one in found for place in ("state", "lastState")]
    return any(end and end.get("exitCode") for end in ends) and not any(one.get("ready") for one in found)
