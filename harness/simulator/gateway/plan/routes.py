"""The route configuration of one listener: virtual hosts by hostname, routes by precedence, policies per route."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.simulator.gateway.envoy_config.clusters import ClusterConfig
from harness.simulator.gateway.envoy_config.filters import EXT_AUTHZ, JSON_TO_METADATA, LUA, RATE_LIMIT
from harness.simulator.gateway.envoy_config.typed import JSON, REQUEST_ID, typed
from harness.simulator.gateway.plan.backends import Backend
from harness.simulator.gateway.plan.gatewayapi import Key, Object, key, text
from harness.simulator.gateway.plan.implied import Heirs, Reach, needed, reach
from harness.simulator.gateway.plan.matching import (
    MODEL_HEADER,
    Match,
    header_changes,
    invalid_pattern,
    matches,
    redirect,
    rewrite,
)

HEALTH = "/maas-api/health"
CLOSED = "No AuthPolicy is in force on this gateway; it stays closed until one is.\n"
MANAGEMENT = ("/v1/models", "/v1/subscriptions", "/v1/api-keys", "/maas-api")
OFF = typed("envoy.config.route.v3.FilterConfig", disabled=True)
RETRY = {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 2}


@dataclass(frozen=True, slots=True)
class Hosting:
    """How a gateway serves its routes: with MaaS's policies, and open only while an AuthPolicy is accepted."""

    governed: bool
    open: bool
    gateway: Key = ("", "")


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """One match of one rule of one HTTPRoute, with everything needed to order and render it.

    `order`: Gateway API's precedence: the match, then the older route, then the name, then the rule's place.
    """

    route: Key
    created: str
    index: int
    match: Match
    rule: Object
    backends: tuple[Backend, ...]
    order: tuple[tuple[int, int, int, int, int], str, str, int] = field(init=False)
    reach: Reach = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", (self.match.precedence, self.created, text(self.route), self.index))
        object.__setattr__(self, "reach", reach(self.match))

    @property
    def is_management(self) -> bool:
        """Whether it leads to maas-api: its paths, on a route of another namespace than a path would name."""
        path = self.match.path.rstrip("/")
        under = any(path == prefix or path.startswith(prefix + "/") for prefix in MANAGEMENT)
        return under and not self.match.headers and self.route[0] != path.strip("/").partition("/")[0]


def planned(route: Object, resolved: Sequence[tuple[Backend, ...]], hosting: Hosting) -> Iterator[PlannedRoute]:
    """Every match of an HTTPRoute that Envoy can read; `dropped` names the others. `resolved`: the backends of each rule."""
    created = str(route["metadata"].get("creationTimestamp") or "")
    for index, (rule, found) in enumerate(zip(route.get("spec", {}).get("rules") or (), resolved, strict=True)):
        for match in matches(rule, by_body=hosting.governed):
            if invalid_pattern(match) is None:
                yield PlannedRoute(key(route), created, index, match, rule, found)


def dropped(route: Object) -> str | None:
    """Why a part of an HTTPRoute is not served."""
    for index, rule in enumerate(route.get("spec", {}).get("rules") or ()):
        for match in matches(rule, by_body=False):
            if (reason := invalid_pattern(match)) is not None:
                return f"Dropped Rule {index}: {reason}"
    return None


def action(item: PlannedRoute) -> JSON:
    """The route's action: redirect, forward, or 500 where nothing can be forwarded to."""
    elsewhere = redirect(item.rule)
    if elsewhere is not None:
        return {"redirect": elsewhere}
    live = [found for found in item.backends if found.weight > 0]
    if not any(found.cluster for found in live):
        return {
            "direct_response": {"status": 500, "body": {"inline_string": "No backend of this route can be resolved.\n"}}
        }
    timeouts = item.rule.get("timeouts") or {}
    forward: JSON = {
        "timeout": timeout(timeouts.get("request") or timeouts.get("backendRequest") or "0s"),
        "retry_policy": RETRY,
        "cluster_not_found_response_code": "INTERNAL_SERVER_ERROR",
        **rewrite(item.rule, item.match),
    }
    fixed = "host_rewrite_literal" in forward
    choices = [weighted(found, fixed=fixed) for found in live]
    if len(choices) == 1:
        forward |= {"cluster": choices[0].pop("name")} | {
            part: choices[0][part] for part in choices[0] if part != "weight"
        }
    else:
        forward["weighted_clusters"] = {"clusters": choices}
    return {"route": forward}


def weighted(found: Backend, *, fixed: bool) -> JSON:
    """One choice of a route's action. A host outside is called by its own name, unless the rule has `fixed` another."""
    if found.cluster is None:
        return {"name": "unresolved", "weight": found.weight}
    own = {} if fixed or found.cluster.outside is None else {"host_rewrite_literal": found.cluster.outside.host}
    return {"name": found.cluster.name, "weight": found.weight, **own}


def timeout(text_value: str) -> str:
    """A Gateway API duration (GEP-2257) as Envoy's seconds."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    total, number, at = 0.0, "", 0
    while at < len(text_value):
        unit = text_value[at : at + 2] if text_value[at : at + 2] == "ms" else text_value[at]
        if unit in units:
            total, number = total + float(number) * units[unit], ""
        else:
            number += unit
        at += len(unit)
    return f"{total:.3f}s"


def authorization(hosting: Hosting, route: str = "") -> JSON:
    """What the authorizer is told beside the request: through which Gateway it came, and which HTTPRoute matched."""
    told = {"gateway": text(hosting.gateway), **({"route": route} if route else {})}
    return typed(
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", check_settings={"context_extensions": told}
    )


def not_found(hosting: Hosting) -> JSON:
    """404 for what no route matches, after authentication: without any route Envoy would answer before it."""
    body = {"name": "unrouted", "match": {"prefix": "/"}, "direct_response": {"status": 404}}
    return body | {"typed_per_filter_config": {EXT_AUTHZ: authorization(hosting)}}


def policies(item: PlannedRoute, hosting: Hosting) -> JSON:
    """Per-route configuration of a governed gateway's filters."""
    name = text(item.route)
    return {
        EXT_AUTHZ: authorization(hosting, name),
        RATE_LIMIT: typed("envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute", domain=name),
    }


def rendered(item: PlannedRoute, hosting: Hosting) -> JSON:
    """Envoy's route for one match."""
    body: JSON = {"name": f"{text(item.route)}/{item.index}", "match": item.match.envoy()}
    if not hosting.governed:
        return body | action(item) | header_changes(item.rule)
    if not hosting.open:
        return body | {"direct_response": {"status": 503, "body": {"inline_string": CLOSED}}}
    changes = header_changes(item.rule)
    settings = policies(item, hosting)
    if item.is_management:
        settings |= {JSON_TO_METADATA: OFF, LUA: OFF}
    else:
        changes["request_headers_to_remove"] = [
            *changes.get("request_headers_to_remove", []),
            MODEL_HEADER,
            "accept-encoding",
        ]
    return body | action(item) | changes | {"typed_per_filter_config": settings}


def health(ordered: list[PlannedRoute]) -> JSON | None:
    """GET /maas-api/health without authentication, wherever the routes lead that path."""
    for item in ordered:
        prefix = item.match.path.rstrip("/")
        if (
            item.match.path_type == "PathPrefix"
            and not item.match.headers
            and (prefix == HEALTH or HEALTH.startswith(prefix + "/"))
        ):
            free = replace(item, match=replace(item.match, method="GET"))
            off = {EXT_AUTHZ: OFF, RATE_LIMIT: OFF, JSON_TO_METADATA: OFF, LUA: OFF}
            # a route's own path leaves the query out; the exemption is for the bare path alone
            bare = {"name": ":path", "string_match": {"exact": HEALTH}}
            match = {"path": HEALTH, "headers": [*free.match.envoy()["headers"], bare]}
            removed = {"request_headers_to_remove": ["x-maas-username", "x-maas-group", "x-maas-subscription"]}
            return {"name": "health", "match": match, **action(item), **removed, "typed_per_filter_config": off}
    return None


def route_configuration(name: str, hosts: list[JSON]) -> JSON:
    """The RouteConfiguration of a listener."""
    return {
        "name": name,
        "virtual_hosts": hosts,
        "ignore_port_in_host_matching": True,
        "response_headers_to_add": [REQUEST_ID],
    }


def virtual_hosts(
    by_host: Mapping[str, Sequence[PlannedRoute]],
    hosting: Hosting,
    known: Heirs,
    draw: Callable[[PlannedRoute, Hosting], JSON] = rendered,
) -> list[JSON]:
    """A request's host meets its own routes first, then those of less specific hostnames.

    `known`: which routes could go without anybody noticing, see `implied`. `draw` renders a route, or remembers how it was rendered.
    """
    if hosting.governed and "" not in by_host:
        by_host = {**by_host, "": []}
    in_order = {host: sorted(items, key=lambda item: item.order) for host, items in by_host.items()}
    fewest = {host: needed(items, known) for host, items in in_order.items()}
    hosts = []
    for hostname in sorted(by_host):
        met = [
            other
            for other in sorted(by_host, key=lambda item: (item == "", -len(item)))
            if other == hostname or covers(other, hostname)
        ]
        routes = [draw(item, hosting) for item in cheapest_first([item for other in met for item in fewest[other]])]
        everything = [item for other in met for item in in_order[other]]
        if hosting.governed and hosting.open and (free := health(everything)) is not None:
            routes.insert(0, free)
        if hosting.governed and hosting.open:
            routes.append(not_found(hosting))
        hosts.append({"name": hostname or "any", "domains": [hostname or "*"], "routes": routes})
    return hosts


def cheapest_first(ordered: list[PlannedRoute]) -> list[PlannedRoute]:
    """The same precedence with less to look at: Envoy tries routes one by one, and looks into metadata before it looks at the path.

    Routes that match by path alone go first where no other route could match the same request, because its first path segment is
    another one.
    """
    if any(item.match.path_type == "RegularExpression" for item in ordered):
        return ordered
    contested = {first_segment(item) for item in ordered if not by_path_alone(item)} | {""}
    early = [item for item in ordered if by_path_alone(item) and first_segment(item) not in contested]
    return early + [item for item in ordered if not (by_path_alone(item) and first_segment(item) not in contested)]


def by_path_alone(item: PlannedRoute) -> bool:
    """Whether a prefix, and nothing else, decides."""
    return item.match.path_type == "PathPrefix" and not (item.match.headers or item.match.query or item.match.method)


def first_segment(item: PlannedRoute) -> str:
    """The first path segment; empty for `/`."""
    return item.match.path.strip("/").partition("/")[0]


def covers(general: str, hostname: str) -> bool:
    """Whether requests for `hostname` may also be served by routes of the less specific `general`."""
    return general == "" or (general.startswith("*.") and hostname.endswith(general[1:]))


def provider_keys(items: Iterable[PlannedRoute]) -> dict[str, str]:
    """The text of the header with each provider's key, by the name under which its upstream asks for it."""
    return {
        found.cluster.outside.credential.name: found.key
        for item in items
        for found in item.backends
        if found.cluster and found.cluster.outside and found.cluster.outside.credential
    }


def clusters(items: Iterable[PlannedRoute]) -> dict[str, ClusterConfig]:
    """Every cluster that the routes lead to."""
    return {found.cluster.name: found.cluster for item in items for found in item.backends if found.cluster}
