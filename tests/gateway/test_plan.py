"""From objects to Envoy's configuration and the limiter's limits, as pure functions: Gateway API's and Kuadrant's rules."""

import re

import pytest

from harness.simulator.gateway.plan.attachment import attachments
from harness.simulator.gateway.plan.gatewayapi import hostnames_meet
from harness.simulator.gateway.plan.matching import prefix_rewrite
from harness.simulator.gateway.plan.plan import Plan, make_plan
from harness.simulator.gateway.plan.policies import limits_of, seconds
from harness.simulator.gateway.plan.routes import timeout
from harness.simulator.gateway.plan.snapshot import Snapshot

GATEWAY = ("ingress", "gw")
ENDPOINT = ("ingress", "gw", "http")


def listener(name: str = "http", **more: object) -> dict:
    return {"name": name, "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}, **more}


def gateway(*listeners: dict, labels: dict | None = None) -> dict:
    metadata = {"name": "gw", "namespace": "ingress", "generation": 1, "labels": labels or {}}
    return {"metadata": metadata, "spec": {"gatewayClassName": "c", "listeners": list(listeners) or [listener()]}}


def route(
    name: str, *rules: dict, namespace: str = "llm", created: str = "2026-01-01T00:00:00Z", **spec: object
) -> dict:
    parents = spec.pop("parentRefs", [{"name": "gw", "namespace": "ingress"}])
    return {
        "metadata": {"name": name, "namespace": namespace, "generation": 1, "creationTimestamp": created},
        "spec": {"parentRefs": parents, "rules": list(rules), **spec},
    }


def rule(*matches: dict, backend: str = "svc", **more: object) -> dict:
    return {"matches": list(matches), "backendRefs": [{"name": backend, "port": 80}], **more}


def apart(*rules: dict) -> list[dict]:
    """Rules of which none does the same as another, so that none can go."""
    change = "requestHeaderModifier"
    return [
        {
            **item,
            "filters": [{"type": "RequestHeaderModifier", change: {"set": [{"name": "rule", "value": str(place)}]}}],
        }
        for place, item in enumerate(rules)
    ]


def path(value: str, kind: str = "PathPrefix", **more: object) -> dict:
    return {"path": {"type": kind, "value": value}, **more}


def snapshot(*routes: dict, gw: dict | None = None, **more: object) -> Snapshot:
    services = {
        ("llm", name): {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}} for name in ("svc", "other")
    }
    return Snapshot(
        gateways={GATEWAY: gw or gateway()},
        routes={(item["metadata"]["namespace"], item["metadata"]["name"]): item for item in routes},
        services=services,
        **more,
    )


def names(plan: Plan, host: str = "any") -> list[str]:
    hosts = {item["name"]: item for item in plan.listeners[0].routes["virtual_hosts"]}
    return [item["name"] for item in hosts[host]["routes"]]


def test_precedence_is_exact_then_longest_prefix_then_method_headers_query_age_name_and_place() -> None:
    header = [{"name": "a", "value": "1"}]
    rules = [
        rule(path("/")),
        rule(path("/a")),
        rule(path("/a/b")),
        rule(path("/a", headers=header)),
        rule(path("/a", headers=[*header, {"name": "b", "value": "2"}])),
        rule(path("/a", method="GET")),
        rule(path("/a", queryParams=header)),
        rule(path("/a", "Exact")),
        rule(path("/a")),
    ]
    plan = make_plan(snapshot(route("r", *apart(*rules))), (ENDPOINT,))
    assert names(plan) == [f"llm/r/{index}" for index in (7, 2, 5, 4, 3, 6, 1, 8, 0)]


def test_the_older_route_wins_a_tie_and_then_the_name() -> None:
    young = route("a", rule(path("/x")), created="2026-02-01T00:00:00Z")
    old, twin = route("z", rule(path("/x"))), route("y", rule(path("/x")))
    assert names(make_plan(snapshot(young, old, twin), (ENDPOINT,))) == ["llm/y/0", "llm/z/0", "llm/a/0"]


@pytest.mark.parametrize(
    ("on_listener", "on_route", "met"),
    [
        ("", "", ""), ("", "a.io", "a.io"), ("a.io", "", "a.io"), ("a.io", "a.io", "a.io"), ("a.io", "b.io", None),
        ("*.io", "a.io", "a.io"), ("*.io", "x.a.io", "x.a.io"), ("*.io", "io", None), ("a.io", "*.io", "a.io"),
    ],
)  # fmt: skip
def test_hostnames_meet_as_gateway_api_says(on_listener: str, on_route: str, met: str | None) -> None:
    assert hostnames_meet(on_listener, on_route) == met


@pytest.mark.parametrize(
    ("allowed", "namespace", "parent", "hostname", "reason"),
    [
        ({"from": "All"}, "llm", {}, "", "Accepted"),
        ({"from": "Same"}, "llm", {}, "", "NotAllowedByListeners"),
        ({"from": "Same"}, "ingress", {}, "", "Accepted"),
        ({"from": "Selector", "selector": {"matchLabels": {"x": "1"}}}, "llm", {}, "", "Accepted"),
        ({"from": "Selector", "selector": {"matchLabels": {"x": "2"}}}, "llm", {}, "", "NotAllowedByListeners"),
        (
            {"from": "Selector", "selector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["llm"]}]}},
            "llm", {}, "", "Accepted",
        ),
        ({"from": "All"}, "llm", {"sectionName": "nope"}, "", "NoMatchingParent"),
        ({"from": "All"}, "llm", {"port": 81}, "", "NoMatchingParent"),
        ({"from": "All"}, "llm", {}, "b.io", "NoMatchingListenerHostname"),
    ],
)  # fmt: skip
def test_why_a_route_attaches_or_not(allowed: dict, namespace: str, parent: dict, hostname: str, reason: str) -> None:
    gw = gateway(listener(hostname="a.io" if hostname else None, allowedRoutes={"namespaces": allowed}))
    parents = [{"name": "gw", "namespace": "ingress", **parent}]
    item = route(
        "r", rule(path("/")), namespace=namespace, parentRefs=parents, hostnames=[hostname] if hostname else []
    )
    spaces = {("", "llm"): {"metadata": {"name": "llm", "labels": {"x": "1"}}}}
    assert [found.reason for found in attachments(snapshot(item, gw=gw, namespaces=spaces))] == [reason]


def test_a_host_meets_its_own_routes_before_the_less_specific() -> None:
    general, exact = route("general", rule(path("/"))), route("exact", rule(path("/")), hostnames=["a.io"])
    wild = route("wild", rule(path("/")), hostnames=["*.io"])
    plan = make_plan(snapshot(general, exact, wild), (ENDPOINT,))
    assert names(plan, "a.io") == ["llm/exact/0", "llm/wild/0", "llm/general/0"]
    assert names(plan, "any") == ["llm/general/0"]


@pytest.mark.parametrize(
    ("prefix", "replacement", "before", "after"),
    [
        ("/llm/m", "", "/llm/m", "/"), ("/llm/m", "", "/llm/m/", "/"), ("/llm/m", "", "/llm/m//v1", "/v1"),
        ("/llm/m.x", "", "/llm/m.x/v1/a", "/v1/a"), ("/a/v1/b", "/v1/b", "/a/v1/b/c", "/v1/b/c"), ("/a", "/b", "/a", "/b"),
    ],
)  # fmt: skip
def test_prefixes_are_replaced_with_exactly_one_slash(prefix: str, replacement: str, before: str, after: str) -> None:
    found = prefix_rewrite(prefix, replacement)
    assert re.sub(found["pattern"]["regex"], found["substitution"], before, count=1) == after


@pytest.mark.parametrize(
    ("text", "expected"), [("0s", "0.000s"), ("1m30s", "90.000s"), ("500ms", "0.500s"), ("1h", "3600.000s")]
)
def test_durations_become_seconds(text: str, expected: str) -> None:
    assert timeout(text) == expected


@pytest.mark.parametrize(
    ("window", "expected"), [("1m", 60), ("24h", 86_400), ("1h30m", 5400), ("500ms", 0), ("10s", 10)]
)
def test_windows_are_whole_seconds(window: str, expected: int) -> None:
    assert seconds(window) == expected


@pytest.mark.parametrize("window", ["", "1", "1d", "m", "1m ", "-1m"])
def test_a_window_that_is_none_is_refused(window: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(window)


def policy(
    name: str,
    kind: str = "HTTPRoute",
    on: str = "r",
    limit: int = 5,
    created: str = "2026-01-01T00:00:00Z",
    **spec: object,
) -> dict:
    body = {"limits": {"l": {"rates": [{"limit": limit, "window": "1m"}]}}}
    namespace = "llm" if kind == "HTTPRoute" else "ingress"
    return {
        "metadata": {"name": name, "namespace": namespace, "generation": 1, "creationTimestamp": created},
        "spec": {"targetRef": {"kind": kind, "name": on}, **body, **spec},
    }


def planned(*policies: dict, auth: bool = True) -> Plan:
    tokens = {(item["metadata"]["namespace"], item["metadata"]["name"]): item for item in policies}
    gate = {("ingress", "a"): policy("a", "Gateway", "gw")} if auth else {}
    return make_plan(snapshot(route("r", rule(path("/llm"))), token_policies=tokens, auth_policies=gate), (ENDPOINT,))


def test_a_routes_own_policy_replaces_the_gateways_and_the_newest_counts() -> None:
    own, newer = policy("own", limit=1), policy("newer", limit=2, created="2026-03-01T00:00:00Z")
    general = policy("general", "Gateway", "gw", limit=0)
    assert [item["max_value"] for item in planned(general).limits["llm/r"]] == [0]
    assert [item["max_value"] for item in planned(general, own).limits["llm/r"]] == [1]
    plan = planned(general, own, newer)
    assert [item["max_value"] for item in plan.limits["llm/r"]] == [2]
    standings = {name[1]: found.enforced for name, found in plan.token_standings.items()}
    assert standings == {"general": "Enforced", "own": "Overridden", "newer": "Enforced"}


def test_a_policy_in_deletion_counts_no_more() -> None:
    gone = policy("gone", limit=1)
    gone["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    assert planned(gone).limits["llm/r"] == []


def test_defaults_and_overrides_are_read_and_negative_limits_are_zero() -> None:
    inner = {
        "limits": {"l": {"rates": [{"limit": -3, "window": "1m"}], "when": [{"predicate": "true"}]}},
        "when": [{"predicate": "1 == 1"}],
    }
    found = policy("p")
    del found["spec"]["limits"]
    found["spec"]["defaults"] = inner
    limits = limits_of(found)
    assert [(item["max_value"], item["conditions"]) for item in limits] == [(0, ["1 == 1", "true"])]


def test_a_gateway_without_policies_is_standard_and_a_governed_one_without_authorization_is_closed() -> None:
    item = route("r", rule(path("/llm")))
    assert not make_plan(snapshot(item), (ENDPOINT,)).listeners[0].hosting.governed
    labelled = make_plan(snapshot(item, gw=gateway(labels={"app.kubernetes.io/name": "maas"})), (ENDPOINT,))
    assert labelled.listeners[0].routes["virtual_hosts"][0]["routes"][0]["direct_response"]["status"] == 503
    opened = planned()
    assert "direct_response" not in opened.listeners[0].routes["virtual_hosts"][0]["routes"][0]
    again = make_plan(snapshot(item), (ENDPOINT,), opened.governed)
    assert again.listeners[0].routes["virtual_hosts"][0]["routes"][0]["direct_response"]["status"] == 503


def test_another_namespaces_service_needs_a_grant() -> None:
    item = route("r", {"backendRefs": [{"name": "svc", "namespace": "other", "port": 80}]})
    services = {("other", "svc"): {"metadata": {"name": "svc"}, "spec": {"ports": [{"port": 80}]}}}
    grant = {
        "metadata": {"name": "g", "namespace": "other"},
        "spec": {"from": [{"kind": "HTTPRoute", "namespace": "llm"}], "to": [{"kind": "Service"}]},
    }
    base = {"gateways": {GATEWAY: gateway()}, "routes": {("llm", "r"): item}, "services": services}
    assert make_plan(Snapshot(**base), (ENDPOINT,)).unresolved[("llm", "r")][0] == "RefNotPermitted"
    granted = make_plan(Snapshot(**base, reference_grants={("other", "g"): grant}), (ENDPOINT,))
    assert granted.unresolved == {}


def test_a_rule_with_an_invalid_pattern_is_dropped_alone() -> None:
    bad, good = rule(path("/(", "RegularExpression")), rule(path("/good"))
    plan = make_plan(snapshot(route("r", bad, good)), (ENDPOINT,))
    assert names(plan) == ["llm/r/1"]
    assert plan.dropped[("llm", "r")].startswith("Dropped Rule 0: '/('")


def test_routes_that_nothing_contests_go_first_and_contested_ones_keep_their_order() -> None:
    header = [{"name": "X-Gateway-Model-Name", "value": "m"}]
    rules = [
        rule(path("/v1/chat", "Exact", headers=header)),
        rule(path("/v1")),
        rule(path("/llm/m")),
        rule(path("/llm/m/v1")),
        rule(path("/", headers=header)),
        rule(path("/")),
    ]
    rules = apart(*rules)
    plan = make_plan(snapshot(route("r", *rules)), (ENDPOINT,))
    assert names(plan) == [f"llm/r/{index}" for index in (3, 2, 0, 1, 4, 5)]
    pattern = rule(path("/l.*", "RegularExpression"))
    plan = make_plan(snapshot(route("r", *rules, pattern)), (ENDPOINT,))
    assert names(plan) == [f"llm/r/{index}" for index in (0, 6, 3, 2, 1, 4, 5)]
