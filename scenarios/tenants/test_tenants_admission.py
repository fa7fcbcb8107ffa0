"""What may not be created: tenants elsewhere, two tenants on one gateway, models of a tenant that does not exist."""

from harness.engine.declaration import check
from harness.kube.fault import Rejected
from harness.kube.manifest import Manifest, Ref
from harness.platforms.platform import Need
from harness.world.admission import admitted
from harness.world.expectations import expect, fail
from harness.world.force import model_ref
from harness.world.twin import registration
from harness.world.world import World

NEEDS: tuple[Need, ...] = ("kube", "models", "tenants")


def expect_forbidden(world: World, manifest: Manifest, text: str) -> None:
    """The API server refuses the object with a sentence that says this."""
    try:
        world.estate.cluster.create(manifest, dry_run=True)
    except Rejected as refused:
        expect(text in refused.message, expected=f"a refusal that says {text!r}", observed=repr(refused.message))
    else:
        fail(f"{Ref.of(manifest)} is refused", "it was admitted")


@check("MAAS-WH-004", needs=NEEDS)
def test_a_tenant_may_be_made_in_one_namespace_alone(world: World) -> None:
    tenant = world.tenant(opened=False)
    elsewhere = world.space("elsewhere")
    world.settle()
    admitted(world.estate.cluster, tenant.manifest())
    misplaced = {**tenant.manifest(), "metadata": {"name": tenant.name, "namespace": elsewhere}}
    expect_forbidden(world, misplaced, "configured AITenant infrastructure namespace")


@check("MAAS-WH-005", needs=NEEDS)
def test_two_tenants_may_not_share_a_gateway(world: World) -> None:
    tenant, rival = world.tenant(), world.tenant(opened=False)
    cluster = world.estate.cluster
    claim = {"gateway": {"name": tenant.gateway.name}}
    text = f"gateway {tenant.gateway.namespace}/{tenant.gateway.name} is already in use by AITenant"
    expect_forbidden(world, {**rival.manifest(), "spec": claim}, text)
    cluster.apply(rival.manifest())
    try:
        cluster.patch(rival.ref, {"spec": claim})
    except Rejected as refused:
        expect(text in refused.message, expected=f"a refusal that says {text!r}", observed=repr(refused.message))
    else:
        fail("an edit that claims another tenant's gateway is refused", "it was admitted")
    cluster.patch(tenant.ref, {"metadata": {"labels": {"touched": "yes"}}})


@check("MAAS-WH-006", needs=NEEDS)
def test_a_model_cannot_be_given_to_a_tenant_that_does_not_exist(world: World) -> None:
    tenant = world.tenant(opened=False)
    cluster, text = world.estate.cluster, "references AITenant that does not exist"
    twin = world.new_model(governed=False)
    world.settle()
    manifest = registration(twin.handle.model_copy(update={"name": f"{twin.handle.name}-b"}))
    admitted(cluster, manifest)
    expect_forbidden(world, {**manifest, "spec": {**manifest["spec"], "tenantRef": tenant.name}}, text)
    try:
        cluster.patch(model_ref(twin.handle), {"spec": {"tenantRef": tenant.name}})
    except Rejected as refused:
        expect(text in refused.message, expected=f"a refusal that says {text!r}", observed=repr(refused.message))
    else:
        fail("an edit that gives a model to a tenant that does not exist is refused", "it was admitted")
