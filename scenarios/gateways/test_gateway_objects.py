"""What stands in the cluster around the gateway that MaaS governs: the Gateway itself, the route to the API, and the two policies on it."""

from typing import Any

from harness.engine.declaration import check
from harness.kube.manifest import Manifest, Ref, condition
from harness.world.expectations import expect, expect_equal
from harness.world.force import model_ref
from harness.world.twin import MAAS_GATEWAY
from harness.world.world import World

ROUTES = "gateway.networking.k8s.io/v1"
KUADRANT = "kuadrant.io/v1"
PREFIXES = ("/v1/models", "/v1/subscriptions", "/v1/api-keys", "/maas-api")


def maas_gateway(world: World) -> Manifest:
    """The Gateway that models opt in to; a finding when there is none."""
    ref = Ref(ROUTES, "Gateway", MAAS_GATEWAY, world.wire.platform.namespaces.gateway)
    return stored(world, ref)


def stored(world: World, ref: Ref) -> Manifest:
    """The object as it is now; a finding when there is none."""
    found = world.estate.cluster.get(ref)
    expect(found is not None, expected=f"{ref}", observed="it does not exist")
    return found or {}


def targets(policy: Manifest, kind: str, name: str) -> bool:
    """Whether a policy protects that object."""
    target = policy["spec"].get("targetRef") or {}
    return (target.get("kind"), target.get("name")) == (kind, name)


@check("MAAS-GW-001", needs={"kube"})
def test_the_gateway_of_maas_is_programmed_and_listens_by_https(world: World) -> None:
    gateway = maas_gateway(world)
    expect_equal(gateway["spec"]["gatewayClassName"], "openshift-default", of="gatewayClassName")
    secure = [one["port"] for one in gateway["spec"]["listeners"] if one["protocol"] == "HTTPS"]
    expect_equal(secure, [443], of="ports of the HTTPS listeners")
    expect_equal((condition(gateway, "Programmed") or {}).get("status"), "True", of="Programmed")


@check("MAAS-GW-002", needs={"kube"})
def test_routes_of_the_models_namespaces_may_attach_to_the_gateway(world: World) -> None:
    gateway, model = maas_gateway(world), world.model()
    namespace = stored(world, Ref("v1", "Namespace", model.namespace))
    labels = namespace["metadata"].get("labels") or {}
    for listener in gateway["spec"]["listeners"]:
        allowed = ((listener.get("allowedRoutes") or {}).get("namespaces")) or {"from": "Same"}
        expect(
            admits(allowed, labels),
            expected=f"listener {listener['name']} admits routes of the namespace {model.namespace}, labels {labels}",
            observed=f"allowedRoutes.namespaces {allowed}",
        )


def admits(allowed: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether routes of a namespace with these labels may attach to a listener, whose Gateway is in another one."""
    if allowed.get("from") == "All":
        return True
    if allowed.get("from") != "Selector":
        return False
    selector = allowed.get("selector") or {}
    exact = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return exact and all(fits(one, labels) for one in selector.get("matchExpressions") or ())


def fits(expression: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether labels satisfy one expression of a selector."""
    key, values = expression["key"], expression.get("values") or []
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[expression["operator"]]


@check("MAAS-GW-003", needs={"kube"})
def test_the_route_to_the_api_has_its_four_rules_in_order(world: World) -> None:
    infra = world.wire.platform.namespaces.infra
    route = stored(world, Ref(ROUTES, "HTTPRoute", "maas-api-route", infra))
    rules = route["spec"]["rules"]
    matched = [[(one["path"]["type"], one["path"]["value"]) for one in rule["matches"]] for rule in rules]
    expect_equal(matched, [[("PathPrefix", prefix)] for prefix in PREFIXES], of="what the rules match")
    backends = [[(one["name"], one["port"]) for one in rule["backendRefs"]] for rule in rules]
    expect_equal(backends, [[("maas-api", 8443)]] * len(PREFIXES), of="where the rules lead")
    rewrites = [rewrite_of(rule) for rule in rules]
    expect_equal(rewrites, [None, None, None, "/"], of="what the rules put in place of the prefix")
    expect(
        any(one["name"] == MAAS_GATEWAY for one in route["spec"]["parentRefs"]),
        expected=f"the parent {MAAS_GATEWAY}",
        observed=repr(route["spec"]["parentRefs"]),
    )


def rewrite_of(rule: Manifest) -> str | None:
    """The prefix that takes the place of the matched one; None where a rule rewrites nothing."""
    paths = [
        (one.get("urlRewrite") or {}).get("path") or {}
        for one in rule.get("filters") or ()
        if one["type"] == "URLRewrite"
    ]
    return next((str(path.get("replacePrefixMatch")) for path in paths), None)


@check("MAAS-GW-008", needs={"kube", "kuadrant"})
def test_one_policy_authorises_the_whole_gateway(world: World) -> None:
    cluster, namespace = world.estate.cluster, world.wire.platform.namespaces.gateway
    policies = cluster.objects(KUADRANT, "AuthPolicy", namespace=namespace)
    found = [one["metadata"]["name"] for one in policies if targets(one, "Gateway", MAAS_GATEWAY)]
    expect_equal(found, ["maas-gateway-auth"], of=f"AuthPolicies on {MAAS_GATEWAY}")
    for model in (world.model(0), world.model(1)):
        status = stored(world, model_ref(model))["status"]
        per_model = [
            one["metadata"]["name"]
            for one in cluster.objects(KUADRANT, "AuthPolicy", namespace=status["httpRouteNamespace"])
            if targets(one, "HTTPRoute", status["httpRouteName"])
        ]
        expect_equal(per_model, [], of=f"AuthPolicies on the route of {model.name}")


@check("MAAS-GW-009", needs={"kube", "kuadrant"})
def test_a_limit_of_nothing_guards_routes_without_limits_of_their_own(world: World) -> None:
    namespace = world.wire.platform.namespaces.gateway
    policy = stored(world, Ref("kuadrant.io/v1alpha1", "TokenRateLimitPolicy", "gateway-default-deny", namespace))
    expect(
        targets(policy, "Gateway", MAAS_GATEWAY), expected=f"the target {MAAS_GATEWAY}", observed=repr(policy["spec"])
    )
    bodies = list((policy["spec"].get("limits") or policy["spec"].get("defaults", {}).get("limits") or {}).values())
    expect_equal([body["rates"] for body in bodies], [[{"limit": 0, "window": "1m"}]], of="rates")
    expect_equal(
        [one["expression"] for one in bodies[0].get("counters") or ()],
        ["auth.identity.userid"],
        of="what is counted by",
    )
    said = " ".join(one["predicate"] for one in bodies[0].get("when") or ())
    for prefix in PREFIXES:
        expect(f'"{prefix}"' in said, expected=f"a predicate that leaves {prefix} out", observed=repr(said))
