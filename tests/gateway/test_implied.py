"""Leaving out routes changes nothing for any request, and what a plan remembers of the one before never shows."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.simulator.controllers.kserve.route import http_route
from harness.simulator.gateway.plan.backends import Endpoints, backend
from harness.simulator.gateway.plan.memory import Memory
from harness.simulator.gateway.plan.plan import make_plan
from harness.simulator.gateway.plan.routes import Hosting, PlannedRoute, not_found, planned, rendered
from harness.simulator.gateway.plan.snapshot import Snapshot
from tests.gateway.test_plan import ENDPOINT, GATEWAY, names, path, policy, route, rule, snapshot

HOSTING = Hosting(governed=True, open=True, gateway=GATEWAY)
PATHS = ["/", "/a", "/a/b", "/a/b/c", "/ab", "/v1", "/v1/models"]
MODEL = "X-Gateway-Model-Name"


@dataclass(frozen=True)
class Request:
    """What routes are chosen by; `model` stands in the body."""

    path: str
    method: str = "GET"
    model: str = ""
    headers: tuple[tuple[str, str], ...] = ()


REQUESTS = [
    Request(start + rest, method, model, headers)
    for start in ("", *PATHS[1:])
    for rest in ("/", "", "/x", "/b", "/b/c")
    if start + rest
    for method in ("GET", "POST")
    for model in ("", "m", "n")
    for headers in ((), (("h", "1"),), (("h", "1"), ("i", "1")))
]


def meets(item: dict[str, Any], request: Request) -> bool:
    """Envoy's matching, on what it is configured with."""
    match = item["match"]
    if "path" in match and match["path"] != request.path:
        return False
    prefix = match.get("path_separated_prefix", "")
    if prefix and not (request.path == prefix or request.path.startswith(prefix + "/")):
        return False
    present = dict(request.headers) | {":method": request.method}
    if any(present.get(one["name"]) != one["string_match"]["exact"] for one in match.get("headers", ())):
        return False
    wanted = [one["value"]["string_match"]["exact"] for one in match.get("dynamic_metadata", ())]
    return all(request.model == model for model in wanted)


def outcome(routes: list[dict[str, Any]], request: Request) -> Any:
    """What becomes of a request: everything but the route's name and its match, with the path that the backend sees."""
    found = next((item for item in routes if meets(item, request)), None)
    if found is None:
        return None
    kept = {name: value for name, value in found.items() if name not in ("name", "match")}
    forward = dict(kept.get("route", {}))
    rewriting = forward.pop("regex_rewrite", None)
    seen = request.path
    if rewriting is not None:
        seen = re.sub(rewriting["pattern"]["regex"], rewriting["substitution"], request.path, count=1)
    return {**kept, "route": forward}, seen


def every_route(item: Snapshot) -> list[dict[str, Any]]:
    """All routes of a snapshot in their order, none left out."""

    found: list[PlannedRoute] = []
    for one in item.routes.values():
        resolved = [
            tuple(backend(one, place, ref, item, Endpoints(item)) for place, ref in enumerate(each["backendRefs"]))
            for each in one["spec"]["rules"]
        ]
        found += planned(one, resolved, HOSTING)
    ordered = sorted(found, key=lambda one: one.order)
    return [*(rendered(one, HOSTING) for one in ordered), not_found(HOSTING)]


def governed(*routes: dict[str, Any]) -> Snapshot:
    return snapshot(*routes, auth_policies={("ingress", "a"): policy("a", "Gateway", "gw")})


def drawn(item: Snapshot, memory: Memory | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = make_plan(item, (ENDPOINT,), frozenset(), memory).listeners[0].routes["virtual_hosts"]
    return [one for one in found[0]["routes"] if one["name"] != "health"]


def rewritten(replacement: str) -> list[dict[str, Any]]:
    change = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": replacement}}
    return [{"type": "URLRewrite", "urlRewrite": change}]


named = st.sampled_from(
    [{}, {"headers": [{"name": MODEL, "value": "m"}]}, {"headers": [{"name": MODEL, "value": "n"}]}]
)
plain = st.sampled_from([{}, {"headers": [{"name": "h", "value": "1"}]}, {"method": "GET"}])
matched = st.builds(
    lambda where, kind, one, other: path(where, kind, **{**other, **one}),
    st.sampled_from(PATHS),
    st.sampled_from(["PathPrefix", "PathPrefix", "Exact"]),
    named,
    plain,
)
treated = st.sampled_from(
    [
        {},
        {"filters": rewritten("/")},
        {"filters": rewritten("/b")},
        {"filters": rewritten("/a")},
        {"timeouts": {"request": "1s"}},
    ]
)
ruled = st.builds(
    lambda match, more, backend: rule(
        match,
        backend=backend,
        **({key: value for key, value in more.items() if match["path"]["type"] != "Exact" or key != "filters"}),
    ),
    matched,
    treated,
    st.sampled_from(["svc", "svc", "other"]),
)
worlds = st.lists(st.lists(ruled, min_size=1, max_size=8), min_size=1, max_size=3).map(
    lambda groups: governed(*(route(f"r{number}", *rules) for number, rules in enumerate(groups)))
)


@settings(max_examples=150, deadline=None)
@given(worlds)
def test_every_request_fares_as_it_would_with_all_routes(world: Snapshot) -> None:
    few, all_of_them = drawn(world), every_route(world)
    for request in REQUESTS:
        assert outcome(few, request) == outcome(all_of_them, request), request


@settings(max_examples=40, deadline=None)
@given(st.lists(worlds, min_size=2, max_size=4))
def test_what_is_remembered_of_one_plan_never_shows_in_the_next(steps: list[Snapshot]) -> None:
    memory = Memory()
    for world in steps:
        assert drawn(world, memory) == drawn(world)


def service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceService",
        "metadata": {"name": name, "namespace": "llm", "uid": name},
        "spec": {"model": {"name": f"org/{name}"}, "router": {"route": {}}},
    }


def model_route(name: str) -> dict[str, Any]:
    written = http_route(service(name), [])
    written["metadata"] |= {"generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    written["spec"]["parentRefs"] = [{"name": "gw", "namespace": "ingress"}]
    return written


def test_of_a_models_nineteen_routes_three_are_needed() -> None:
    world = governed(model_route("m"), model_route("n"))
    assert len(every_route(world)) == 2 * 19 + 1
    assert len(drawn(world)) == 2 * 3 + 1


def test_a_strangers_route_between_brings_back_what_it_would_take() -> None:
    stranger = route("stranger", rule(path("/v1/chat"), backend="other"))
    world = governed(model_route("m"), stranger)
    chats = {"/v1/chat/completions", "/v1/chat/completions/"}
    assert {one["match"]["path"] for one in drawn(world) if "path" in one["match"]} == chats
    assert len(drawn(world)) == 3 + len(chats) + 2


def test_all_routes_stay_beside_a_pattern() -> None:
    rules = [rule(path("/a")), rule(path("/a/b")), rule(path("/.*", "RegularExpression"))]
    assert len(names(make_plan(snapshot(route("r", *rules)), (ENDPOINT,)))) == len(rules)


@pytest.mark.parametrize(
    "fields", [{"spec": {"rules": []}}, {"metadata": {"creationTimestamp": "2025-01-01T00:00:00Z"}}]
)
def test_a_remembered_route_that_was_changed_is_read_again(fields: dict[str, Any]) -> None:
    memory, before = Memory(), route("r", rule(path("/a")))
    elder = route("e", rule(path("/a"), backend="other"), created="2025-06-01T00:00:00Z")
    make_plan(snapshot(before, elder), (ENDPOINT,), frozenset(), memory)
    changed = {name: {**before[name], **fields.get(name, {})} for name in before}
    again = make_plan(snapshot(changed, elder), (ENDPOINT,), frozenset(), memory)
    assert names(again) == names(make_plan(snapshot(changed, elder), (ENDPOINT,)))
    assert names(again) != ["llm/e/0", "llm/r/0"]


def test_an_endpoint_that_came_reaches_a_remembered_routes_cluster() -> None:
    memory, item = Memory(), route("r", rule(path("/a")))
    slices = {
        ("llm", "s"): {
            "metadata": {"name": "s", "namespace": "llm", "labels": {"kubernetes.io/service-name": "svc"}},
            "ports": [{"port": 8000}],
            "endpoints": [{"addresses": ["127.0.0.1"]}],
        }
    }
    assert make_plan(snapshot(item), (ENDPOINT,), frozenset(), memory).idle == {("llm", "r")}
    later = make_plan(snapshot(item, endpoint_slices=slices), (ENDPOINT,), frozenset(), memory)
    assert later.idle == frozenset()
    assert later.clusters["llm/svc:80"].endpoints == (("127.0.0.1", 8000),)


def test_remembered_routes_are_drawn_anew_when_the_gateway_closes() -> None:
    memory, item = Memory(), route("r", rule(path("/a")))
    opened = make_plan(governed(item), (ENDPOINT,), frozenset(), memory)
    assert "route" in opened.listeners[0].routes["virtual_hosts"][0]["routes"][0]
    closed = make_plan(snapshot(item), (ENDPOINT,), opened.governed, memory)
    assert closed.listeners[0].routes["virtual_hosts"][0]["routes"][0]["direct_response"]["status"] == 503


def test_a_redirect_implies_nothing() -> None:
    away = {"filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "a.io"}}]}
    world = snapshot(route("r", rule(path("/a"), **away), rule(path("/a/b"), **away)))
    assert names(make_plan(world, (ENDPOINT,))) == ["llm/r/1", "llm/r/0"]


def test_the_management_api_keeps_its_own_route() -> None:
    world = governed(route("r", rule(path("/maas-api")), rule(path("/")), namespace="maas"))
    world = Snapshot(
        gateways=world.gateways,
        routes=world.routes,
        auth_policies=world.auth_policies,
        services={("maas", "svc"): {"metadata": {"name": "svc"}, "spec": {"ports": [{"port": 80}]}}},
    )
    assert [one["name"] for one in drawn(world)] == ["maas/r/0", "maas/r/1", "unrouted"]
