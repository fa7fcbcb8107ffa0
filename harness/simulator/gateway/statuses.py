"""What is said in the statuses of Gateways, HTTPRoutes and policies once Envoy and the limiter have acknowledged a plan."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.types import PatchType

from harness.simulator.gateway.conditions import Condition, merged
from harness.simulator.gateway.plan.attachment import Attachment
from harness.simulator.gateway.plan.gatewayapi import URLS_ANNOTATION, Key, Object, generation, key, listeners
from harness.simulator.gateway.plan.plan import Endpoint, Plan
from harness.simulator.gateway.plan.policies import Standing
from harness.simulator.gateway.plan.snapshot import Snapshot
from harness.simulator.gateway.watch import KINDS, Watch

LOG = logging.getLogger("gateway.status")
CONTROLLER = "maas-conformance.dev/gateway-controller"
SERVED_CONDITION = "maas-conformance.dev/Served"
"""On a route's parent: Envoy has a ready endpoint for each backend. Without it, a model that is Ready could still answer 503."""
POLICY_CONTROLLER_MESSAGE = "in force in Envoy and in the limiter"
RESOURCES = {kind.slot: kind.resource() for kind in KINDS}
Change = tuple[str, Key, dict[str, Any], bool]
"""Slot, object, merge patch, and whether it goes to the status subresource."""


class Statuses:
    """Writes what differs from what the objects say. `watch_of`: the watch of a slot, which hears each answer."""

    def __init__(self, client: AsyncClient, watch_of: Callable[[str], Watch]) -> None:
        self._client = client
        self._watch_of = watch_of

    async def write(self, plan: Plan, snapshot: Snapshot, urls: Mapping[Endpoint, str]) -> None:
        """Write all statuses of an acknowledged plan, concurrently. `urls`: where callers reach each listener."""
        changes = [*gateways(plan, snapshot, urls), *routes(plan, snapshot), *policies(plan, snapshot)]
        await asyncio.gather(*(self._patch(*change) for change in changes))

    async def _patch(self, slot: str, item: Key, body: dict[str, Any], status: bool) -> None:
        resource = RESOURCES[slot].Status if status else RESOURCES[slot]
        scope: dict[str, Any] = {"namespace": item[0]} if item[0] else {}
        watch = self._watch_of(slot)
        try:
            with watch.writes.awaiting(item):
                watch.wrote(await self._client.patch(resource, item[1], body, patch_type=PatchType.MERGE, **scope))
        except ApiError as error:
            if error.status.code != httpx2.codes.NOT_FOUND:
                LOG.warning("the API server refused the status of %s %s: %s", slot, "/".join(item), error)
        except (httpx2.HTTPError, OSError) as error:
            LOG.warning("the status of %s %s was not written: %s", slot, "/".join(item), type(error).__name__)


def gateways(plan: Plan, snapshot: Snapshot, known: Mapping[Endpoint, str]) -> Iterator[Change]:
    """Status of every Gateway that is served here, of its class, and where its listeners can be reached."""
    for name in sorted({item.endpoint[:2] for item in plan.listeners} & set(snapshot.gateways)):
        gateway = snapshot.gateways[name]
        urls = {section: url for (*place, section), url in known.items() if tuple(place) == name}
        served = {item.endpoint[2] for item in plan.listeners if item.endpoint[:2] == name and item.listener}
        text = json.dumps(urls, sort_keys=True)
        if (gateway["metadata"].get("annotations") or {}).get(URLS_ANNOTATION) != text:
            yield "gateways", name, {"metadata": {"annotations": {URLS_ANNOTATION: text}}}, False
        body = gateway_status(gateway, served, plan.attachments, urls)
        if body != gateway.get("status"):
            yield "gateways", name, {"status": body}, True
        yield from class_status(gateway, snapshot)


def class_status(gateway: Object, snapshot: Snapshot) -> Iterator[Change]:
    """The class of a Gateway that is served here is accepted."""
    name = ("", str(gateway.get("spec", {}).get("gatewayClassName") or ""))
    known = snapshot.gateway_classes.get(name)
    if known is None:
        return
    old = known.get("status", {}).get("conditions") or []
    conditions = merged(old, [Condition("Accepted", True, "Accepted")], generation(known))
    if conditions != old:
        yield "gateway_classes", name, {"status": {"conditions": conditions}}, True


def gateway_status(
    gateway: Object, served: set[str], attached: tuple[Attachment, ...], urls: Mapping[str, str]
) -> dict[str, Any]:
    """The status of one Gateway: programmed are the listeners that Envoy serves."""
    old = gateway.get("status") or {}
    before = {item["name"]: item for item in old.get("listeners") or ()}
    number = generation(gateway)
    items = []
    for item in listeners(gateway):
        up = item.name in served
        routes_here = {
            found.route
            for found in attached
            if found.parent.gateway == key(gateway) and item.name in dict(found.hostnames)
        }
        conditions = [
            Condition("Accepted", True, "Accepted"),
            Condition("Programmed", up, "Programmed" if up else "Pending", "" if up else "nothing listens for it here"),
            Condition("ResolvedRefs", True, "ResolvedRefs"),
            Condition("Conflicted", False, "NoConflicts"),
        ]
        items.append(
            {
                "name": item.name,
                "attachedRoutes": len(routes_here),
                "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
                "conditions": merged(before.get(item.name, {}).get("conditions") or (), conditions, number),
            }
        )
    programmed = bool(served)
    own = [
        Condition("Accepted", True, "Accepted"),
        Condition("Programmed", programmed, "Programmed" if programmed else "Pending"),
    ]
    hosts = sorted({url.split("://", 1)[1].rsplit(":", 1)[0].strip("[]") for url in urls.values()})
    return {
        "addresses": [{"type": "IPAddress", "value": host} for host in hosts],
        "conditions": merged(old.get("conditions") or (), own, number),
        "listeners": items,
    }


def routes(plan: Plan, snapshot: Snapshot) -> Iterator[Change]:
    """status.parents of every route with a parent that is served here; entries of other controllers stay."""
    by_route: dict[Key, list[Attachment]] = {}
    for item in plan.attachments:
        by_route.setdefault(item.route, []).append(item)
    for name, route in snapshot.routes.items():
        old = (route.get("status") or {}).get("parents") or []
        foreign = [item for item in old if item.get("controllerName") not in controllers(snapshot)]
        mine = [parent_status(route, item, plan, old, snapshot) for item in by_route.get(name, ())]
        if foreign + mine != old:
            yield "routes", name, {"status": {"parents": foreign + mine}}, True


def controllers(snapshot: Snapshot) -> set[str]:
    """Names under which this controller writes."""
    return {CONTROLLER} | {
        str(item.get("spec", {}).get("controllerName")) for item in snapshot.gateway_classes.values()
    }


def controller_of(gateway: Object, snapshot: Snapshot) -> str:
    """The controllerName of a Gateway's class."""
    known = snapshot.gateway_classes.get(("", str(gateway.get("spec", {}).get("gatewayClassName") or "")))
    return str(known["spec"]["controllerName"]) if known else CONTROLLER


def parent_status(route: Object, item: Attachment, plan: Plan, old: list[Any], snapshot: Snapshot) -> dict[str, Any]:
    """One entry of status.parents."""
    reference = dict(item.parent.raw)
    before: dict[str, Any] = next((entry for entry in old if entry.get("parentRef") == reference), {})
    reason, message = plan.unresolved.get(item.route, ("ResolvedRefs", ""))
    conditions = [
        Condition("Accepted", item.accepted, item.reason),
        Condition("ResolvedRefs", reason == "ResolvedRefs", reason, message),
        Condition(
            SERVED_CONDITION,
            item.route not in plan.idle,
            "NoEndpoints" if item.route in plan.idle else "EndpointsReady",
        ),
    ]
    if (partly := plan.dropped.get(item.route)) is not None:
        conditions.append(Condition("PartiallyInvalid", True, "UnsupportedValue", partly))
    return {
        "parentRef": reference,
        "controllerName": controller_of(snapshot.gateways[item.parent.gateway], snapshot),
        "conditions": merged(before.get("conditions") or (), conditions, generation(route)),
    }


def policies(plan: Plan, snapshot: Snapshot) -> Iterator[Change]:
    """Accepted and Enforced of every policy kind; where a policy is not accepted, Enforced is absent."""
    for slot, objects, standings in (
        ("auth_policies", snapshot.auth_policies, plan.auth_standings),
        ("token_policies", snapshot.token_policies, plan.token_standings),
        ("telemetry_policies", snapshot.telemetry_policies, plan.telemetry_standings),
    ):
        for name, standing in standings.items():
            policy = objects[name]
            old = (policy.get("status") or {}).get("conditions") or []
            conditions = merged(old, policy_conditions(standing), generation(policy))
            if conditions != old:
                yield slot, name, {"status": {"conditions": conditions, "observedGeneration": generation(policy)}}, True


def policy_conditions(standing: Standing) -> list[Condition]:
    """The conditions of a standing."""
    if standing.accepted != "Accepted":
        return [Condition("Accepted", False, standing.accepted, standing.message)]
    enforced = standing.enforced == "Enforced"
    return [
        Condition("Accepted", True, "Accepted"),
        Condition(
            "Enforced", enforced, standing.enforced, standing.message or (POLICY_CONTROLLER_MESSAGE if enforced else "")
        ),
    ]
