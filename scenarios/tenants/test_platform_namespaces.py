"""What becomes of the platform when somebody deletes the namespace of its tenants: it comes back, and the default tenant does not."""

from harness.engine.declaration import check
from harness.engine.failure import NotConformant
from harness.kube.fault import WaitExpired
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Bound, Expectation, is_gone, wait_for
from harness.world.expectations import expect, expect_equal
from harness.world.governance import MAAS
from harness.world.tenant import AITENANTS
from harness.world.world import World

GENERATED = "opendatahub.io/generated-namespace"
BACK = Bound("the namespace of tenants is back 30 s after its end", 30)


@check("MAAS-CTRL-024", needs={"kube"})
def test_the_platforms_own_namespaces_say_that_they_are_generated(world: World) -> None:
    for name in (AITENANTS, world.wire.platform.namespaces.infra):
        found = world.estate.cluster.get(Ref("v1", "Namespace", name))
        expect(found is not None, expected=f"the namespace {name}", observed="it does not exist")
        labels = (found or {})["metadata"].get("labels") or {}
        expect_equal(labels.get(GENERATED), "true", of=f"label {GENERATED} of {name}")


@check("MAAS-CTRL-024", "MAAS-CTRL-026", needs=("kube", "models", "tenants", "disposable"), alone=True)
def test_the_namespace_of_tenants_comes_back_without_the_default_tenant(world: World) -> None:
    """The default tenant goes with the namespace; the check puts it back as it was, because the platform does not."""
    cluster = world.estate.cluster
    default = Ref(MAAS, "AITenant", world.wire.platform.namespaces.subscriptions, AITENANTS)
    before = cluster.get(default)
    expect(before is not None, expected="the default AITenant, made when the platform was", observed="none")
    spec = (before or {})["spec"]
    space = Ref("v1", "Namespace", AITENANTS)
    uid = (cluster.get(space) or {})["metadata"]["uid"]
    try:
        cluster.delete(space)
        wait_for(cluster, is_gone(default), world.estate.ready_bound)
        again = Expectation(space, "made anew", lambda found: found is not None and found["metadata"]["uid"] != uid)
        found = expect_back(world, again)
        expect_equal(
            found["metadata"]["labels"].get(GENERATED), "true", of=f"label {GENERATED}", requirement="MAAS-CTRL-024"
        )
        world.tenant()  # whoever makes the default tenant anew would have done so by the time that another one is in force
        expect(
            cluster.get(default) is None,
            expected="the default AITenant stays deleted",
            observed="it was made anew",
            requirement="MAAS-CTRL-026",
        )
    finally:
        if cluster.get(space) is None:
            cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": AITENANTS}})
        metadata = {"name": default.name, "namespace": default.namespace}
        cluster.apply({"apiVersion": MAAS, "kind": "AITenant", "metadata": metadata, "spec": spec})
        world.await_phase(default, "Active")


def expect_back(world: World, again: Expectation) -> Manifest:
    """The namespace as it is when it is back. Raises NotConformant when it stays away."""
    try:
        return wait_for(world.estate.cluster, again, BACK) or {}
    except WaitExpired as expired:
        raise NotConformant(
            expected=f"{again.ref} is {again.what} within {BACK.seconds:g} s",
            observed=str(expired),
            requirement="MAAS-CTRL-024",
        ) from expired
