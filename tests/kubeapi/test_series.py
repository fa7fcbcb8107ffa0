"""What the API server tells of itself, to whom it may."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.kubeapi.connection import connect
from tests.kubeapi.serving import embedded_api


@pytest.fixture
def api(tmp_path: Path) -> Iterator[httpx.Client]:
    with embedded_api(tmp_path) as kubeconfig, connect(kubeconfig) as client:
        yield client


def total(api: httpx.Client, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(api.get("/metrics").text)
    samples = [one for family in families for one in family.samples]
    return sum(one.value for one in samples if one.name == name and set(labels.items()) <= set(one.labels.items()))


def test_requests_are_counted_by_verb_resource_and_code(api: httpx.Client) -> None:
    maps = "/api/v1/namespaces/default/configmaps"
    assert total(api, "apiserver_request_total", resource="configmaps") == 0
    for name, code in (("a", 201), ("b", 201), ("a", 409)):
        assert api.post(maps, json={"metadata": {"name": name}}).status_code == code
    api.get(f"{maps}/a")
    api.get(maps)
    api.patch(f"{maps}/absent", json={}, headers={"content-type": "application/merge-patch+json"})
    counted = {
        (verb, code): total(api, "apiserver_request_total", resource="configmaps", verb=verb, code=code)
        for verb, code in (("create", "201"), ("create", "409"), ("get", "200"), ("list", "200"), ("patch", "404"))
    }
    assert counted == {
        ("create", "201"): 2,
        ("create", "409"): 1,
        ("get", "200"): 1,
        ("list", "200"): 1,
        ("patch", "404"): 1,
    }


def test_a_watch_is_in_flight_while_it_lasts(api: httpx.Client) -> None:
    assert total(api, "apiserver_current_inflight_requests") == 1  # the scrape itself
    with api.stream("GET", "/api/v1/namespaces", params={"watch": "true", "resourceVersion": "0"}) as watch:
        assert watch.status_code == 200
        assert total(api, "apiserver_current_inflight_requests") == 2


def test_series_are_for_those_who_may_read_them(api: httpx.Client) -> None:
    assert api.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
    assert api.get("/metrics", headers={"Authorization": ""}).status_code == 401
    impersonated = {"Impersonate-User": "system:serviceaccount:default:default"}
    assert api.get("/metrics", headers=impersonated).status_code == 403
    assert api.post("/metrics").status_code == 405
    assert "/metrics" in api.get("/").json()["paths"]
