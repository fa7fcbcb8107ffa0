"""A route without limits of its own is free: the gateway's policy, which denies it by default, is not looked at."""

from collections.abc import Mapping

from harness.selftest.overlay import run_with
from harness.simulator.gateway.__main__ import main
from harness.simulator.gateway.plan import plan
from harness.simulator.gateway.plan.gatewayapi import Key, Object
from harness.simulator.gateway.plan.policies import Limits
from harness.simulator.gateway.plan.policies import effective_limits as all_limits


def effective_limits(route: Key, gateway: Key, policies: Mapping[tuple[str, Key], list[Object]]) -> Limits:
    """The route's own limits, or none."""
    return all_limits(route, gateway, policies) if policies.get(("HTTPRoute", route)) else []


if __name__ == "__main__":
    run_with(plan, "effective_limits", effective_limits, main)
