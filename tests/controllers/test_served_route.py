"""A model is Ready only when a gateway that says so has an endpoint for its route: Ready must not answer 503."""

import pytest

from harness.simulator.controllers.kserve.route import SERVED, unserved
from harness.simulator.gateway.statuses import SERVED_CONDITION


def route(*statuses: str) -> dict[str, object]:
    conditions = [{"type": SERVED, "status": status, "reason": "NoEndpoints"} for status in statuses]
    parent = {"namespace": "openshift-ingress", "name": "maas-default-gateway"}
    return {"status": {"parents": [{"parentRef": parent, "conditions": conditions}]}}


@pytest.mark.parametrize("statuses", [(), ("True",)])
def test_a_gateway_that_serves_it_or_says_nothing_is_not_waited_for(statuses: tuple[str, ...]) -> None:
    assert unserved(route(*statuses)) == ""


def test_a_gateway_without_an_endpoint_is_named() -> None:
    sentence = "Gateway openshift-ingress/maas-default-gateway serves no endpoint of the route yet (NoEndpoints)"
    assert unserved(route("False")) == sentence


def test_both_sides_mean_the_same_condition() -> None:
    assert SERVED == SERVED_CONDITION
