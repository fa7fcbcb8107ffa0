"""Who a call is taken for, and for which model: what the gateway tells those behind it, and what it reads from path and headers."""

from functools import partial
from typing import Any

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.kube.manifest import Manifest
from harness.kube.wait import Bound
from harness.ledger.journal import Entry
from harness.platforms.platform import ModelHandle
from harness.world.caller import Caller
from harness.world.expectations import expect_equal, expect_served, expect_status, fail
from harness.world.inference import Ask
from harness.world.patience import until
from harness.world.sandwich import Sandwich, arrivals
from harness.world.world import World

HTTP_ROUTE = "gateway.networking.k8s.io/v1"
IDENTITY = ("x-maas-username", "x-maas-group", "x-maas-subscription")
ROUTED = Bound("a route that was just made leads to its backend", 10)


def echo_route(world: World, model: ModelHandle) -> str:
    """A path below the management prefix that leads to a model server of the check's own: its journal shows what the gateway adds."""
    namespace = model.namespace
    routes = world.estate.cluster.objects(HTTP_ROUTE, "HTTPRoute", namespace=namespace)
    own = next((route for route in routes if _backends(route) and model.name in route["metadata"]["name"]), None)
    if own is None:
        fail(f"an HTTPRoute of the model {model.name}", "none is there")
    path = f"/maas-api/{world.name}-echo"
    manifest: Manifest = {
        "apiVersion": HTTP_ROUTE,
        "kind": "HTTPRoute",
        "metadata": {"name": f"{world.name}-echo", "namespace": namespace},
        "spec": {
            "parentRefs": own["spec"]["parentRefs"],
            "rules": [
                {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": _backends(own)},
            ],
        },
    }
    world.declare(manifest)
    world.settle()
    return path


def _backends(route: Manifest) -> list[dict[str, Any]]:
    rules = (route.get("spec") or {}).get("rules") or [{}]
    return list(rules[0].get("backendRefs") or ())


def seen_behind(world: World, caller: Caller, path: str, **options: Any) -> Entry:
    """What arrives behind the gateway of a call to that path."""

    def call() -> tuple[Exchange, list[Entry]]:
        exchange = caller.gateway("POST", path, json={}, **options)
        journals = world.journals()
        assert journals is not None
        return exchange, journals.of(exchange.request_id)

    (exchange, entries), _ = until(call, lambda seen: bool(arrivals(seen[1], seen[0])), ROUTED)
    if not entries:
        fail(
            "a call that the gateway passes on to what stands behind the management prefix",
            "it never arrived",
            exchange,
        )
    return entries[0]


@check("MAAS-AUTH-039", needs={"kube", "models", "backends", "disposable"})
def test_the_management_api_is_told_who_calls_and_with_which_subscription(world: World) -> None:
    """A model server in the management API's place shows the headers that reach it."""
    who = world.identity()
    twin = world.new_model()
    subscription = world.subscription(who, models=twin.handle)
    world.policy(who, models=twin.handle)
    person, holder = world.person(who, subscription), world.subscriber(who, subscription)
    expect_served(holder.infer())
    path = echo_route(world, twin.handle)
    for caller, headers, bound in (
        (person, {}, None),
        (person, {"X-MaaS-Subscription": "of-my-choice"}, "of-my-choice"),
        (holder, {}, subscription.name),
        (holder, {"X-MaaS-Subscription": "of-my-choice"}, subscription.name),
    ):
        entry = seen_behind(world, caller, path, headers=headers)
        told = {name: entry.headers.get(name) for name in IDENTITY}
        expect_equal(told["x-maas-username"], who.username, of="X-MaaS-Username")
        expect_equal(set(_array(told["x-maas-group"])), set(who.groups), of="groups in X-MaaS-Group, a JSON array")
        expect_equal(told["x-maas-subscription"], bound, of="X-MaaS-Subscription")


def _array(text: str | None) -> list[str]:
    import orjson

    try:
        value = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        fail("X-MaaS-Group as a JSON array of strings", repr(text))
    return value


@check("MAAS-AUTH-062", "MAAS-AUTH-066", needs={"kube"})
def test_the_path_says_which_model_is_meant_and_no_header_can_change_that(world: World, sandwich: Sandwich) -> None:
    caller, outside = world.anybody(), world.model(1)
    inside = caller.model
    for named in (inside, outside):
        header = {"X-Gateway-Model-Name": named.model_id}
        sandwich(
            control=partial(caller.infer, headers=header),
            denied=partial(caller.infer, model=outside, headers=header),
            status=403,
            when=f"the path is another model's and the header names {'the own' if named is inside else 'that'} one",
            requirement="MAAS-AUTH-062",
        )


@check("MAAS-AUTH-062", needs={"kube"})
def test_without_a_model_in_the_path_the_body_says_which_is_meant(world: World, sandwich: Sandwich) -> None:
    caller, outside, body = world.anybody(), world.model(1), Ask(style="body")
    sandwich(
        control=partial(caller.infer, body),
        denied=partial(caller.infer, body, model=outside),
        status=403,
        when="the body names a model that is not in the subscription",
    )
    sandwich(
        control=partial(caller.infer, body),
        denied=partial(caller.infer, body, model=outside, headers={"X-Gateway-Model-Name": caller.model.model_id}),
        status=403,
        when="the body names a model that is not in the subscription, and a header of the client's one that is",
    )
    expect_status(caller.models(), 200, when="models are listed, a path whose first segment is v1")
