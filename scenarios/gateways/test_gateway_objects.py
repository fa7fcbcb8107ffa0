"""What stands around the gateway that MaaS governs: who may attach routes to it, and the route to the API."""

from typing import Any

from harness.engine.declaration import check
from harness.kube.manifest import Manifest, Ref
from harness.world.expectations import expect, expect_equal
from harness.world.twin import MAAS_GATEWAY
from harness.world.world import World

ROUTES = "gateway.networking.k8s.io/v1"
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


@check("MAAS-GW-015", needs={"kube"})
def test_the_gateway_says_that_nobody_else_should_manage_it(world: World) -> None:
    metadata = maas_gateway(world)["metadata"]
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    bootstrap = annotations.get("security.opendatahub.io/authorino-tls-bootstrap")
    expect_equal(bootstrap, "true", of="authorino-tls-bootstrap")
    managed = "opendatahub.io/managed"
    expect_equal(
        (annotations.get(managed), labels.get(managed)), ("false", "false"), of=f"annotation and label {managed}"
    )
