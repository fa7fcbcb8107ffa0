"""A route that nobody has given limits: whoever may pass it still gets nothing, from the first call on."""

from functools import partial

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.kube.manifest import Manifest, Ref
from harness.world.caller import Caller
from harness.world.expectations import expect_refused, quota_refusal
from harness.world.force import model_ref
from harness.world.inference import CHAT
from harness.world.sandwich import Sandwich
from harness.world.twin import gateway_refs
from harness.world.world import World

ROUTES = "gateway.networking.k8s.io/v1"
CALL = "/v1/chat/completions"


def side_door(world: World, path: str) -> Manifest:
    """A second route to the model, under a path of the model's own, so that whoever may call the model may call it here."""
    model = world.model()
    status = (world.estate.cluster.get(model_ref(model)) or {})["status"]
    route = (
        world.estate.cluster.get(Ref(ROUTES, "HTTPRoute", status["httpRouteName"], status["httpRouteNamespace"])) or {}
    )
    backends = next(rule["backendRefs"] for rule in route["spec"]["rules"] if rule.get("backendRefs"))
    rewrite = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": CALL}}}
    rule = {
        "matches": [{"path": {"type": "Exact", "value": path}}],
        "filters": [rewrite],
        "backendRefs": backends,
    }
    return {
        "apiVersion": ROUTES,
        "kind": "HTTPRoute",
        "metadata": {"name": f"{world.name}-side-door", "namespace": status["httpRouteNamespace"]},
        "spec": {"parentRefs": gateway_refs(world.wire.platform.namespaces.gateway), "rules": [rule]},
    }


def knock(caller: Caller, path: str) -> Exchange:
    """An inference call by the side door."""
    return caller.gateway("POST", path, json=CHAT.body(caller.model))


@check("MAAS-GW-010", needs={"kube", "models", "disposable"})
def test_a_route_without_limits_serves_nobody(world: World, sandwich: Sandwich) -> None:
    caller = world.anybody()
    path = f"{caller.model.path}/{world.name}{CALL}"
    world.declare(side_door(world, path))
    # until the route is in force, its path leads to the model's own route, behind which it is unknown
    first, _ = world.until(partial(knock, caller, path), lambda answer: answer.status != 404)
    expect_refused(first, 429, quota_refusal, when="somebody authorised makes the first call on a route without limits")
    sandwich(
        control=caller.infer,
        denied=partial(knock, caller, path),
        status=429,
        shape=quota_refusal,
        when="a route of the model has no limits of its own",
    )
