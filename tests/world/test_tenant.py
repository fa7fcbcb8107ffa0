"""Where a tenant's gateway is reached, and what steady traffic makes of answers that were lost."""

import itertools
import json
from typing import Any

import pytest

from harness.client.exchange import Exchange, Request
from harness.engine.failure import NotConformant, NotReady
from harness.world.tenant import URLS, gateway_url
from harness.world.traffic import BEFORE, Traffic


def gateway(
    *listeners: dict[str, Any], urls: dict[str, str] | None = None, address: str | None = "192.0.2.7"
) -> dict[str, Any]:
    notes = {URLS: json.dumps(urls)} if urls is not None else {}
    status = {"addresses": [{"type": "IPAddress", "value": address}]} if address else {}
    return {"metadata": {"annotations": notes}, "spec": {"listeners": list(listeners)}, "status": status}


PLAIN = {"name": "http", "protocol": "HTTP", "port": 80}
SECURE = {"name": "https", "protocol": "HTTPS", "port": 443}


@pytest.mark.parametrize(
    ("found", "url"),
    [
        (gateway(PLAIN, urls={"http": "http://127.0.0.1:4711/"}), "http://127.0.0.1:4711"),
        (gateway(SECURE, urls={"https": "https://127.0.0.1:4712"}), "https://127.0.0.1:4712"),
        (gateway(PLAIN), "http://192.0.2.7"),
        (gateway(SECURE), "https://192.0.2.7"),
        (gateway({**PLAIN, "port": 8080}), "http://192.0.2.7:8080"),
        (gateway({**SECURE, "hostname": "blue.example"}), "https://blue.example"),
    ],
)
def test_a_gateway_is_reached_as_it_says(found: dict[str, Any], url: str) -> None:
    assert gateway_url(found) == url


@pytest.mark.parametrize("found", [{}, gateway(PLAIN, address=None), gateway()])
def test_a_gateway_without_an_address_is_not_reached(found: dict[str, Any]) -> None:
    with pytest.raises(NotReady):
        gateway_url(found)


def answers(*statuses: int | None) -> Any:
    """Calls that are answered like this, the last for ever."""
    script = itertools.chain(statuses, itertools.repeat(statuses[-1]))

    def send() -> Exchange:
        status = next(script)
        return exchange(status)

    return send


def exchange(status: int | None) -> Exchange:
    request = Request(method="GET", url="http://gateway/", headers={}, body=None)
    return Exchange("r", request, status, (), b"", (), None, None, 0.01, None if status else "lost")


def test_traffic_that_is_always_served_is_no_finding() -> None:
    with Traffic(answers(200)) as traffic:
        assert traffic.mark() >= BEFORE
    traffic.expect_all_served(during="the test")


@pytest.mark.parametrize("lost", [503, None])
def test_one_lost_answer_is_a_finding(lost: int | None) -> None:
    with Traffic(answers(200, 200, lost, 200)) as traffic:
        pass
    with pytest.raises(NotConformant, match="200"):
        traffic.expect_all_served(during="the test")


def test_what_was_lost_before_the_mark_does_not_count() -> None:
    with Traffic(answers(500, 500, 200)) as traffic:
        pass
    traffic.expect_all_served(during="the test", since=2)


def test_no_answer_at_all_is_a_finding() -> None:
    with Traffic(answers(200)) as traffic:
        pass
    with pytest.raises(NotConformant):
        traffic.expect_all_served(during="nothing", since=len(traffic.exchanges))
