"""External models of the older group: what each becomes, and what its annotations may say."""

from dataclasses import replace
from typing import Any, Final

import pytest

from harness.engine.declaration import check
from harness.engine.failure import NotReady
from harness.kube.manifest import Manifest, Ref, condition
from harness.kube.wait import has_phase
from harness.world.expectations import expect, expect_equal, expect_served
from harness.world.force import model_ref
from harness.world.inference import Ask
from harness.world.outside import PORT, ExternalModel, handle_of
from harness.world.patience import until
from harness.world.providers import Providers
from harness.world.world import World

MANAGER: Final = ("app.kubernetes.io/managed-by", "maas-external-model-reconciler")
ISTIO: Final = "networking.istio.io/v1"
LONGEST_NAME: Final = 63


def parts(world: World, model: ExternalModel) -> dict[str, Manifest]:
    """What the platform made of an external model, by kind: all that it owns."""
    found: dict[str, Manifest] = {}
    for version, kind in kinds_of(world):
        for item in world.estate.cluster.objects(version, kind, namespace=model.handle.namespace):
            if ("ExternalModel", model.handle.name) in owners(item):
                found[kind] = item
    return found


def kinds_of(world: World) -> list[tuple[str, str]]:
    """Versions and kinds of what becomes of a model; those of Istio where the cluster has them."""
    kinds = [("v1", "Service"), ("gateway.networking.k8s.io/v1", "HTTPRoute")]
    return kinds + [
        (ISTIO, kind) for kind in ("ServiceEntry", "DestinationRule") if world.estate.cluster.knows(ISTIO, kind)
    ]


def owners(item: Manifest) -> list[tuple[str, str]]:
    """Kind and name of an object's owners."""
    return [(ref["kind"], ref["name"]) for ref in item["metadata"].get("ownerReferences") or ()]


def lone(providers: Providers, **notes: str) -> ExternalModel:
    """A model of the older group whose provider nobody runs: its objects are looked at, and it is not called."""
    one = providers.stand_in()
    annotations = {f"maas.opendatahub.io/{name}": value for name, value in notes.items()}
    return ExternalModel(handle_of(one.name, one.namespace), one, legacy=True, notes=annotations)


@check("MAAS-GW-016", needs={"kube", "providers"})
def test_a_legacy_model_becomes_a_service_and_a_route(world: World, providers: Providers) -> None:
    model = providers.model(legacy=True)
    customer = world.customer(models=model.handle)
    expect_served(customer.infer(Ask(style="path")), when="the model is named in the path")
    made, host, name = parts(world, model), model.stand_in.host, f"maas-{model.handle.name}"
    wanted = sorted(kind for _, kind in kinds_of(world))
    expect_equal(sorted(made), wanted, of=f"kinds of objects that belong to the ExternalModel {model.handle.name}")
    for kind, item in made.items():
        expect_equal(item["metadata"]["name"], name, of=f"name of the {kind}")
        expect_equal(item["metadata"]["labels"].get(MANAGER[0]), MANAGER[1], of=f"manager of the {kind}")
        expect_equal(owners(item), [("ExternalModel", model.handle.name)], of=f"owners of the {kind}")
    service, route = made["Service"]["spec"], made["HTTPRoute"]["spec"]
    expect_equal((service["type"], service["externalName"]), ("ExternalName", host), of="the Service")
    matches = [match for rule in route["rules"] for match in rule["matches"]]
    paths = [match["path"]["value"] for match in matches if match.get("path") and not match.get("headers")]
    named = {header["value"] for match in matches for header in match.get("headers") or ()}
    expect_equal(paths, [f"/{model.handle.namespace}/{model.handle.name}"], of="the route's own path")
    expect(model.stand_in.target in named, expected=f"a match of {model.stand_in.target}", observed=str(sorted(named)))
    for rule in route["rules"]:
        expect_equal(rule["timeouts"]["request"], "300s", of="timeout of a request")
        expect_equal(hosts_set_by(rule), [host], of="the Host that a rule sets")


def hosts_set_by(rule: dict[str, Any]) -> list[str]:
    """Values that the header modifiers of a rule give to Host."""
    changes = [item.get("requestHeaderModifier") or {} for item in rule.get("filters") or ()]
    return [header["value"] for one in changes for header in one.get("set") or () if header["name"].lower() == "host"]


@check("MAAS-GW-016", needs={"kube", "providers"})
def test_a_long_name_is_shortened_to_what_a_service_may_have(world: World, providers: Providers) -> None:
    one = providers.stand_in()
    model = ExternalModel(handle_of(f"{one.name}-".ljust(LONGEST_NAME - 1, "x"), one.namespace), one, legacy=True)
    neighbour = ExternalModel(handle_of(f"{one.name}-".ljust(LONGEST_NAME, "x"), one.namespace), one, legacy=True)
    world.declare(*model.backend(), *neighbour.backend())
    world.settle()
    names = [route_of(world, made)["metadata"]["name"] for made in (model, neighbour)]
    expect(
        all(name.startswith("maas-") and len(name) <= LONGEST_NAME for name in names) and names[0] != names[1],
        expected=f"two names that begin with maas- and have at most {LONGEST_NAME} characters",
        observed=", ".join(names),
    )


def route_of(world: World, model: ExternalModel) -> Manifest:
    """The route of a model, once it is there, by its owner. Raises NotReady."""
    found, _ = until(lambda: parts(world, model).get("HTTPRoute"), bool, world.estate.ready_bound)
    if found is None:
        raise NotReady(f"{model.ref} got no route")
    return found


@pytest.mark.parametrize("notes", [{"port": "0"}, {"port": "abc"}, {"port": "65536"}, {"tls": "perhaps"}], ids=str)
@check("MAAS-CRD-062", needs={"kube", "providers"})
def test_an_annotation_that_cannot_be_used_leaves_a_model_without_a_route(
    world: World, providers: Providers, notes: dict[str, str]
) -> None:
    wrong, right = lone(providers, **notes), lone(providers, port="8443", tls="true")
    world.declare(*wrong.backend(), *right.backend())
    world.settle()
    route_of(world, right)
    expect_equal(sorted(parts(world, wrong)), [], of="what became of a model whose annotation cannot be used")
    mended = ExternalModel(wrong.handle, wrong.stand_in, legacy=True, notes={"maas.opendatahub.io/port": str(PORT)})
    world.edit(mended.backend()[0], until=())
    route_of(world, mended)


@check("MAAS-CRD-062", needs={"kube", "providers"})
def test_the_annotations_say_port_and_tls(world: World, providers: Providers) -> None:
    asked, usual = lone(providers, port="8443", tls="false"), lone(providers)
    bare = usual.backend()[0]
    del bare["metadata"]["annotations"]
    world.declare(*asked.backend(), bare)
    world.settle()
    for model, port in ((asked, 8443), (usual, 443)):
        route_of(world, model)
        ports = [one["port"] for one in parts(world, model)["Service"]["spec"]["ports"]]
        expect_equal(ports, [port], of=f"ports of the Service of {model.handle.name}")


@check("MAAS-CTRL-020", needs={"kube", "providers"})
def test_what_became_of_a_legacy_model_is_repaired(world: World, providers: Providers) -> None:
    model = lone(providers)
    world.declare(*model.backend())
    world.settle()
    made = route_of(world, model)
    world.estate.cluster.delete(Ref.of(made))
    again, _ = until(
        lambda: parts(world, model).get("HTTPRoute", {}).get("metadata", {}).get("uid"),
        lambda uid: uid not in (None, made["metadata"]["uid"]),
        world.estate.ready_bound,
    )
    expect(
        again not in (None, made["metadata"]["uid"]),
        expected="another route in place of the one that somebody deleted",
        observed="none",
    )


@check("MAAS-STAT-012", needs={"kube", "providers"})
def test_models_of_one_name_in_two_namespaces_are_no_conflict(world: World, providers: Providers) -> None:
    here = lone(providers)
    elsewhere = f"{world.name}-elsewhere"
    there = ExternalModel(
        handle_of(here.handle.name, elsewhere), replace(here.stand_in, namespace=elsewhere), legacy=True
    )
    world.declare({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": elsewhere}})
    who = world.identity()
    for model in (here, there):
        world.declare(*model.backend(), model.registration(), until=(has_phase(model_ref(model.handle), "Ready"),))
    world.subscription(who, models=(here.handle, there.handle))
    world.policy(who, models=(here.handle, there.handle))
    world.settle()
    said = [
        condition(world.estate.cluster.get(model_ref(one.handle)) or {}, "ModelIdentityUnique") for one in (here, there)
    ]
    expect_equal([(entry or {}).get("status") for entry in said], ["True", "True"], of="ModelIdentityUnique of both")
