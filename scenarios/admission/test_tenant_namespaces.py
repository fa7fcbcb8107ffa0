"""Where subscriptions and access policies may be created: in the namespaces of tenants, and nowhere else."""

from collections.abc import Callable

import pytest

from harness.engine.declaration import check
from harness.kube.fault import Rejected
from harness.kube.manifest import Manifest, Ref
from harness.platforms.platform import ModelHandle
from harness.world.admission import admitted
from harness.world.expectations import expect, fail
from harness.world.governance import MAAS, People, Policy, Rate, Subscription
from harness.world.world import World

SAID = ("is not enabled for MaaS tenant resources", "Create a MaasTenantConfig CR")
Maker = Callable[[str, ModelHandle], Manifest]
SOMEBODY = People(groups=("somebody",))


def subscription(namespace: str, model: ModelHandle) -> Manifest:
    """Quota for somebody, in that namespace."""
    ref = Ref(MAAS, "MaaSSubscription", "mc-placed", namespace)
    return Subscription(ref, SOMEBODY, (model,), (Rate(1, "1m"),)).manifest()


def policy(namespace: str, model: ModelHandle) -> Manifest:
    """Access for somebody, in that namespace."""
    return Policy(Ref(MAAS, "MaaSAuthPolicy", "mc-placed", namespace), SOMEBODY, (model,)).manifest()


def configuration(namespace: str) -> Manifest:
    """What makes a namespace one of a tenant."""
    metadata = {"name": "default-tenant", "namespace": namespace}
    return {"apiVersion": MAAS, "kind": "MaasTenantConfig", "metadata": metadata, "spec": {}}


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(subscription, id="subscription", marks=check("MAAS-WH-001", needs={"kube"})),
        pytest.param(policy, id="policy", marks=check("MAAS-WH-002", needs={"kube"})),
    ],
)
def test_a_namespace_without_a_tenant_takes_neither_quota_nor_access(world: World, made: Maker) -> None:
    cluster, home = world.estate.cluster, world.wire.platform.namespaces.subscriptions
    namespace = world.space("plain")
    world.settle()
    wanted = made(namespace, world.model())
    admitted(cluster, made(home, world.model()))
    try:
        cluster.create(wanted)
    except Rejected as refused:
        said = refused.message
        expect(refused.status == 403, expected="the status 403", observed=f"{refused.status}: {said}")
    else:
        fail(f"{wanted['kind']} is refused in a namespace that holds no MaasTenantConfig", "it was created")
    expect(all(text in said for text in SAID), expected=f"a refusal that says {SAID}", observed=repr(said))
    world.declare(configuration(namespace))
    world.settle()
    admitted(cluster, wanted)
    if cluster.knows(MAAS, "Tenant"):
        legacy = world.space("legacy")
        world.declare({**configuration(legacy), "kind": "Tenant"})
        world.settle()
        admitted(cluster, made(legacy, world.model()))
