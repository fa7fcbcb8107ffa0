"""What the management API counts of itself, for whoever runs it."""

import uuid
from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from harness.client.secret import Secret
from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.platforms.platform import Platform
from harness.world.expectations import expect, expect_equal, expect_refused, expect_served, expect_status, flat_error
from harness.world.patience import until
from harness.world.world import World

Labels = frozenset[tuple[str, str]]
REQUESTS, DURATION = "maas_api_http_requests_total", "maas_api_http_request_duration_seconds"
LABELS = {
    REQUESTS: {"method", "route", "status", "tenant_name"},
    f"{DURATION}_count": {"method", "route", "status", "tenant_name"},
    f"{DURATION}_bucket": {"method", "route", "status", "tenant_name", "le"},
    "maas_api_http_requests_in_flight": {"method"},
    "maas_api_key_validation_total": {"tenant_name", "result"},
    "maas_api_token_mint_total": {"tenant_name", "result"},
    "sar_cache_hits_total": set[str](),
    "sar_cache_misses_total": set[str](),
}
USUAL_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, float("inf"))
"""The default of Prometheus' client for Go, which the row means: the one for Python has three more."""
RESULTS = {
    "maas_api_key_validation_total": {"valid", "invalid", "error"},
    "maas_api_token_mint_total": {"success", "rejected", "failure"},
}
NEVER_ISSUED = Secret("sk-oai-DDDDDDDDDDDDDDDD_3333333333333333333333333333333333333333333")
WRITTEN = Bound("what was answered is counted", 5)


def scraped(platform: Platform) -> Mapping[tuple[str, Labels], float]:
    """Every sample at this moment."""
    assert platform.endpoints.api_metrics is not None
    text = httpx.get(platform.endpoints.api_metrics, timeout=10, trust_env=False).raise_for_status().text
    families = text_string_to_metric_families(text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def total(samples: Mapping[tuple[str, Labels], float], name: str, **labels: str) -> float:
    """The sum of the series of that name that have these labels."""
    wanted = set(labels.items())
    return sum(value for (series, own), value in samples.items() if series == name and wanted <= own)


@check("MAAS-TOK-014", needs={"kube", "api-metrics"})
def test_every_series_is_there_with_its_labels_and_grows_with_what_it_counts(world: World, platform: Platform) -> None:
    who, subscription = world.member(), world.common()
    person, holder = world.person(who), world.subscriber(who, subscription)
    expect_served(person.models())
    before = scraped(platform)
    expect_served(holder.infer())
    expect_status(world.caller(NEVER_ISSUED).infer(), 403, when="the key was never issued")
    beyond = {"name": "n", "subscription": subscription.name, "expiresIn": "100000d"}
    expect_refused(
        person.manage("POST", "/v1/api-keys", json=beyond), 400, flat_error(), when="the lifetime is too long"
    )
    grown = (
        ("maas_api_token_mint_total", {"result": "success"}),
        ("maas_api_token_mint_total", {"result": "rejected"}),
        ("maas_api_key_validation_total", {"result": "valid"}),
        ("maas_api_key_validation_total", {"result": "invalid"}),
        (REQUESTS, {"method": "POST", "route": "/v1/api-keys", "status": "201"}),
        (REQUESTS, {"method": "POST", "route": "/v1/api-keys", "status": "400"}),
        (f"{DURATION}_count", {"method": "POST", "route": "/v1/api-keys", "status": "201"}),
    )
    after, _ = until(
        lambda: scraped(platform),
        lambda seen: all(total(seen, name, **labels) > total(before, name, **labels) for name, labels in grown),
        WRITTEN,
    )
    still = [
        f"{name}{labels}" for name, labels in grown if total(after, name, **labels) <= total(before, name, **labels)
    ]
    expect(not still, expected="each series grown by what was just done", observed=f"unchanged: {', '.join(still)}")
    edges = {float(value) for series, own in after if series == f"{DURATION}_bucket" for le, value in own if le == "le"}
    expect_equal(sorted(edges), list(USUAL_BUCKETS), of=f"buckets of {DURATION}")
    for name, known in RESULTS.items():
        seen = {value for series, own in after if series == name for label, value in own if label == "result"}
        expect_equal(seen - known, set(), of=f"results of {name} beyond {sorted(known)}")
    for name, labels in LABELS.items():
        found = [{label for label, _ in own} for series, own in after if series == name]
        expect(bool(found), expected=f"a series {name}", observed="none")
        wrong = [sorted(one) for one in found if one != labels]
        expect(not wrong, expected=f"{name} with the labels {sorted(labels)}", observed=f"labels {wrong[:3]}")


@check("MAAS-API-023", needs={"kube", "api-metrics"})
def test_the_series_have_a_listener_of_their_own_and_no_place_at_the_gateway(world: World, platform: Platform) -> None:
    assert platform.endpoints.api_metrics is not None
    answer = httpx.get(platform.endpoints.api_metrics, timeout=10, trust_env=False)
    expect_equal(answer.status_code, 200, of="status of the metrics listener")
    media = answer.headers.get("content-type", "")
    expect(
        media.startswith(("text/plain", "application/openmetrics-text")),
        expected="Prometheus text",
        observed=media,
    )
    person = world.person(world.identity())
    for exchange in (person.manage("GET", "/metrics"), person.gateway("GET", "/metrics")):
        expect(
            exchange.status in (403, 404) and b"maas_api_http_requests_total" not in exchange.body,
            expected="404 (or 403) at the gateway",
            observed=str(exchange.status),
            exchange=exchange,
        )


@check("MAAS-TOK-015", needs={"kube", "api-metrics"})
def test_a_series_names_the_template_of_a_path_and_never_what_stood_in_it(world: World, platform: Platform) -> None:
    person = world.person(world.identity())
    identifier, nowhere = str(uuid.uuid4()), f"nowhere-{uuid.uuid4().hex}"
    by_id = {"method": "GET", "route": "/v1/api-keys/:id", "status": "404"}
    unmatched = {"method": "GET", "route": "unmatched", "status": "404"}
    before = scraped(platform)
    expect_status(person.manage("GET", f"/v1/api-keys/{identifier}"), 404, when="the id is nobody's")
    expect_status(person.manage("GET", f"/v1/{nowhere}"), 404, when="the path is unknown")
    after, _ = until(
        lambda: scraped(platform),
        lambda seen: all(total(seen, REQUESTS, **one) > total(before, REQUESTS, **one) for one in (by_id, unmatched)),
        WRITTEN,
    )
    for one in (by_id, unmatched):
        expect(
            total(after, REQUESTS, **one) > total(before, REQUESTS, **one),
            expected=f"{REQUESTS} grown for {one}",
            observed=f"{total(after, REQUESTS, **one):g}, as before",
        )
    told = [value for _, own in after for _, value in own if identifier in value or nowhere in value]
    expect_equal(told, [], of="labels that hold what a caller wrote into the path")
