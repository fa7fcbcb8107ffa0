import pytest

from harness.engine.failure import NotReady
from harness.kube.manifest import Ref
from harness.ledger.book import ClientBook
from harness.world.caller import Wire
from harness.world.common_tenant import CommonTenant
from harness.world.estate import Estate
from harness.world.governance import MAAS
from harness.world.tenant import AITENANTS
from harness.world.world import World

CONFIGURATION = {"apiVersion": MAAS, "kind": "MaasTenantConfig", "spec": {}}


def worker(estate, recorder, run_id="tenants"):
    """A check's world in another worker of that run."""
    own = Estate(estate.platform, run_id=run_id)
    return World(own, Wire(own.platform, own.client, recorder, ClientBook()))


def test_every_worker_finds_the_runs_tenants_by_their_names(estate, recorder):
    here, there = worker(estate, recorder), worker(estate, recorder)
    first, same, second = CommonTenant(here, 0), CommonTenant(there, 0), CommonTenant(here, 1)
    assert (first.ref, first.gateway, first.model()) == (same.ref, same.gateway, same.model())
    assert len({first.name, second.name, CommonTenant(worker(estate, recorder, "another"), 0).name}) == 3


def test_what_a_check_declares_within_is_named_after_the_check(estate, recorder):
    one, other = worker(estate, recorder), worker(estate, recorder)
    people, names = set(), set()
    for world in (one, other):
        tenant = CommonTenant(world, 0)
        who = tenant.identity("team")
        people |= {who.group, world.identity("team").group}
        names |= {tenant.subscription(who).name, tenant.policy(who).ref.name, world.subscription(who).name}
    assert len(people) == 2
    assert len(names) == 6
    assert all(name.startswith((one.name, other.name)) for name in names)


def test_a_tenant_that_is_known_to_be_usable_is_only_entered(estate, recorder):
    """Nothing could be made here: there is no Gateway whose class a tenant's could have."""
    world = worker(estate, recorder)
    with pytest.raises(NotReady, match="maas-default-gateway"):
        world.common_tenant()
    name = CommonTenant(world, 0).name
    world.estate.tenants[name] = seen = world.wire.platform.model_copy(update={"target": "cluster"})
    tenant = world.common_tenant()
    assert (tenant.name, tenant.wire.platform) == (name, seen)


def test_its_model_is_governed_though_no_check_uses_it(estate, recorder):
    tenant = CommonTenant(worker(estate, recorder), 0)
    subscription, policy = tenant.keepers()
    assert (subscription.models, policy.models) == ((tenant.model(),), (tenant.model(),))
    assert subscription.ref.namespace == policy.ref.namespace == tenant.namespace
    somebody = tenant.identity("team")
    assert not subscription.owner.include(somebody)
    assert not policy.subjects.include(somebody)


def test_removal_takes_what_the_check_made_and_leaves_the_tenant(estate, recorder):
    world = worker(estate, recorder)
    tenant = CommonTenant(world, 0)
    cluster = world.estate.cluster
    for space in (AITENANTS, tenant.namespace):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    tenant.declare({**CONFIGURATION, "metadata": {"name": "default-tenant", "namespace": tenant.namespace}})
    cluster.apply(tenant.manifest())
    tenant.settle()
    tenant.remove()
    assert cluster.get(tenant.config) is None
    assert cluster.get(tenant.ref) is not None
    assert cluster.get(Ref("v1", "Namespace", tenant.namespace)) is not None
