"""The Prometheus series of an instance."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from .instance import Instance

TENANT = "models-as-a-service"


def samples(maas: Instance) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    body, _ = maas.metrics.exposition()
    families = text_string_to_metric_families(body.decode())
    return {(item.name, frozenset(item.labels.items())): item.value for family in families for item in family.samples}


def value(maas: Instance, name: str, **labels: str) -> float:
    return samples(maas).get((name, frozenset(labels.items())), 0.0)


@pytest.mark.row("MAAS-TOK-014")
def test_requests_are_counted_and_timed(alice: httpx.Client, maas: Instance) -> None:
    labels = {"method": "GET", "route": "/v1/models", "status": "200", "tenant_name": TENANT}
    assert value(maas, "maas_api_http_requests_total", **labels) == 0
    for _ in range(3):
        alice.get("/v1/models")
    assert value(maas, "maas_api_http_requests_total", **labels) == 3
    assert value(maas, "maas_api_http_request_duration_seconds_count", **labels) == 3
    assert value(maas, "maas_api_http_request_duration_seconds_bucket", **labels, le="10.0") == 3
    assert not [own for _, own in samples(maas) if ("le", "0.075") in own]
    assert 0 < value(maas, "maas_api_http_request_duration_seconds_sum", **labels) < 3
    assert value(maas, "maas_api_http_requests_in_flight", method="GET") == 0


@pytest.mark.row("MAAS-TOK-015")
def test_the_route_is_the_template_of_the_path(alice: httpx.Client, maas: Instance) -> None:
    for method, path in [
        ("GET", "/v1/api-keys/some-id"),
        ("DELETE", "/v1/api-keys/other-id"),
        ("GET", "/v1/api-keys/config"),
        ("GET", "/v1/model/m1/subscriptions"),
        ("DELETE", "/internal/v1/tenants/x/api-keys"),
        ("GET", "/nope/some-id"),
        ("PUT", "/v1/models"),
    ]:
        alice.request(method, path)
    maas.anonymous.delete("/internal/v1/tenants/x/api-keys")
    counted = {
        dict(labels)["method"] + " " + dict(labels)["route"]
        for name, labels in samples(maas)
        if name == "maas_api_http_requests_total"
    }
    assert counted == {
        "GET /v1/api-keys/:id",
        "DELETE /v1/api-keys/:id",
        "GET /v1/api-keys/config",
        "GET /v1/model/:model-id/subscriptions",
        "DELETE /internal/v1/tenants/:tenant/api-keys",
        "DELETE unmatched",
        "GET unmatched",
        "PUT unmatched",
    }


@pytest.mark.row("MAAS-TOK-014", "MAAS-TOK-016", "MAAS-REV-012")
def test_every_validation_is_counted(alice: httpx.Client, maas: Instance) -> None:
    key = maas.mint(alice)["key"]
    for text in (key, key, "sk-oai-a_b", "nonsense"):
        maas.validate(text)
    assert value(maas, "maas_api_key_validation_total", tenant_name=TENANT, result="valid") == 2
    assert value(maas, "maas_api_key_validation_total", tenant_name="", result="invalid") == 2


@pytest.mark.row("MAAS-TOK-014", "MAAS-TOK-017")
def test_mints_are_counted_by_outcome(alice: httpx.Client, maas: Instance) -> None:
    maas.mint(alice)
    for body in (
        {"name": "a", "expiresIn": "100d"},
        {"name": "a", "expiresIn": 0},
        {"name": "a", "subscription": "unknown"},
    ):
        assert alice.post("/v1/api-keys", json=body).status_code == 400
    for body in ({}, {"name": "a\n"}, {"name": "a", "expiresIn": "soon"}, {"name": "a", "labels": {"": ""}}):
        assert alice.post("/v1/api-keys", json=body).status_code == 400
    counts = {
        result: value(maas, "maas_api_token_mint_total", tenant_name=TENANT, result=result)
        for result in ("success", "rejected", "failure")
    }
    assert counts == {"success": 1, "rejected": 3, "failure": 0}


@pytest.mark.row("MAAS-TOK-014", "MAAS-KEY-087")
def test_administrator_questions_are_counted(maas: Instance) -> None:
    root = maas.caller("root")
    for _ in range(3):
        root.post("/v1/api-keys/search", json={})
    assert (value(maas, "sar_cache_misses_total"), value(maas, "sar_cache_hits_total")) == (1, 2)


@pytest.mark.row("MAAS-TOK-014", "MAAS-KEY-102", "MAAS-AUTH-068")
def test_a_broken_database_is_an_error_never_a_yes(
    alice: httpx.Client, maas: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    key = maas.mint(alice)["key"]
    maas.break_database()
    response = maas.anonymous.post("/internal/v1/api-keys/validate", json={"key": key})
    assert (response.status_code, response.json()) == (500, {"error": "validation failed"})
    created = alice.post("/v1/api-keys", json={"name": "a"})
    assert (created.status_code, created.json()) == (500, {"error": "Failed to create API key"})
    assert alice.get("/v1/api-keys/x").status_code == 500
    assert maas.anonymous.get("/health").status_code == 200
    assert "no such table: api_keys" in caplog.text
    assert "no such table" not in response.text + created.text
    assert value(maas, "maas_api_key_validation_total", tenant_name=TENANT, result="error") == 1
    assert value(maas, "maas_api_token_mint_total", tenant_name=TENANT, result="failure") == 1
