"""What the gateway's processes tell of themselves: text that Prometheus reads, and values that are right."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness.simulator.exposition import Family, Histogram, Sample, exposition, number
from harness.simulator.gateway.authorizer.decision import Identity, Refusal, UnavailableError
from harness.simulator.gateway.authorizer.measured import MeasuredJwts, MeasuredKeys, MeasuredTokens
from harness.simulator.gateway.authorizer.metrics import AuthMetrics, Rules
from harness.simulator.gateway.authorizer.oidc import ANOTHERS, UNSAFE
from harness.simulator.gateway.latency import NAME, LatencyLog
from harness.simulator.gateway.limiter.metrics import TokenMetrics
from tests.gateway.conftest import Rig
from tests.gateway.stack import INGRESS, MAAS
from tests.gateway.world import TelemetryPolicy, eventually, fresh

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Samples:
    """Every sample, by name and labels; fails where two have both alike."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            key = (one.name, frozenset(one.labels.items()))
            assert key not in found, key
            found[key] = one.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


def test_a_histogram_is_cumulative_and_a_bound_belongs_to_its_bucket() -> None:
    histogram = Histogram((1.0, 2.5))
    for seconds in (0.5, 1.0, 2.5, 9.0):
        histogram.observe((("a", "b"),), seconds)
    samples = parsed(exposition([histogram.family("took", "Seconds.")]))
    assert [value(samples, "took_bucket", a="b", le=bound) for bound in ("1", "2.5", "+Inf")] == [2, 3, 4]
    assert (value(samples, "took_count", a="b"), value(samples, "took_sum", a="b")) == (4, 13.0)


@pytest.mark.parametrize("text", ['q"uote', "back\\slash", "new\nline", "ümläut", "{}=,", ""])
def test_a_label_survives_whatever_stands_in_it(text: str) -> None:
    samples = parsed(exposition([Family("n", "Of n.", "gauge", [Sample((("label", text),), 1)])]))
    assert samples == {("n", frozenset({("label", text)})): 1.0}


@pytest.mark.parametrize(("number_", "text"), [(3, "3"), (2.0, "2"), (0.25, "0.25"), (10**15, "1000000000000000")])
def test_numbers_are_exact(number_: float, text: str) -> None:
    assert number(number_) == text


class Source:
    """Answers what it is told to."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def identify(self, _token: str) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    validate = review = identify


def evaluated(metrics: AuthMetrics, name: str, rule: str) -> float:
    samples = parsed(metrics.text())
    return sum(
        value
        for (series, labels), value in samples.items()
        if series in (name, f"{name}_total") and ("evaluator_name", rule) in labels
    )


@pytest.mark.row("MAAS-TOK-024")
@pytest.mark.parametrize(
    ("measured", "answer", "rule", "denied"),
    [
        (MeasuredKeys, Identity("a", ()), "apiKeyValidation", ""),
        (MeasuredKeys, None, "apiKeyValidation", "auth-valid"),
        (MeasuredTokens, None, "openshift-identities", ""),
        (MeasuredJwts, Identity("a", ()), "oidc-identities", ""),
        (MeasuredJwts, ANOTHERS, "oidc-identities", "oidc-client-bound"),
        (MeasuredJwts, UNSAFE, "oidc-identities", "oidc-groups-safe"),
    ],
)
def test_each_rule_counts_what_it_had_to_do(
    measured: Any, answer: Identity | Refusal | None, rule: str, denied: str
) -> None:
    metrics = AuthMetrics()
    source = measured(Source(answer), Rules(metrics, "ingress/blue"))
    ask = getattr(source, "identify", None) or getattr(source, "validate", None) or source.review
    assert asyncio.run(ask("credential")) is answer
    assert evaluated(metrics, "auth_server_evaluator_total", rule) == 1
    assert evaluated(metrics, "auth_server_evaluator_duration_seconds_count", rule) == 1
    assert evaluated(metrics, "auth_server_evaluator_denied", rule) == 0
    if denied:
        assert evaluated(metrics, "auth_server_evaluator_denied", denied) == 1


@pytest.mark.parametrize(
    ("failure", "series"),
    [
        (UnavailableError("down"), "auth_server_evaluator_ignored"),
        (asyncio.CancelledError(), "auth_server_evaluator_cancelled"),
    ],
)
def test_what_gave_nothing_and_what_was_cancelled_are_told_apart(failure: BaseException, series: str) -> None:
    metrics = AuthMetrics()
    keys = MeasuredKeys(Source(failure), Rules(metrics, "ingress/blue"))
    with pytest.raises(type(failure)):
        asyncio.run(keys.validate("key"))
    other = {"auth_server_evaluator_ignored", "auth_server_evaluator_cancelled"} - {series}
    assert evaluated(metrics, series, "apiKeyValidation") == 1
    assert evaluated(metrics, other.pop(), "apiKeyValidation") == 0


def test_answers_are_counted_by_gateway_and_timed() -> None:
    metrics = AuthMetrics()
    for status, seconds in ((200, 0.03), (503, 2.0)):
        metrics.answered("ingress/blue", status, seconds)
    for status in (200, 403):
        metrics.repeated("ingress/blue", status)
    assert parsed(metrics.text()) == parsed(metrics.text())
    assert metrics.answers == {200: 2, 403: 1, 503: 1}
    samples = parsed(metrics.text())
    labels = {"namespace": "ingress", "authconfig": "blue"}
    assert value(samples, "auth_server_response_status_total", status="OK") == 2
    assert value(samples, "auth_server_authconfig_response_status_total", **labels, status="UNAVAILABLE") == 1
    assert value(samples, "auth_server_authconfig_total", **labels) == 4
    assert value(samples, "auth_server_authconfig_duration_seconds_bucket", **labels, le="0.05") == 3
    assert value(samples, "auth_server_authconfig_duration_seconds_sum", **labels) == 2.03


def test_the_counters_store_is_timed_and_told_of_when_it_does_not_answer() -> None:
    metrics = TokenMetrics()
    metrics.asked(0.0004, answered=True)
    assert value(parsed(metrics.text()), "datastore_partitioned") == 0
    metrics.asked(1.0, answered=False)
    samples = parsed(metrics.text())
    assert (value(samples, "datastore_partitioned"), value(samples, "limitador_up")) == (1, 1)
    assert value(samples, "datastore_latency_bucket", le="0.0005") == 1
    assert value(samples, "datastore_latency_count") == 2


@pytest.mark.row("MAAS-TOK-010")
def test_a_route_has_the_labels_that_its_gateway_wants_and_those_alone() -> None:
    metrics, known = TokenMetrics(), {"user": "ann", "subscription": "gold", "model": "m"}
    metrics.label({"llm/a": {"who": "user", "subscription": "subscription", "group": "group"}, "llm/b": {}})
    for domain in ("llm/a", "llm/b", "llm/unknown"):
        metrics.hit(domain, known, 7)
    samples = parsed(metrics.text())
    assert value(samples, "authorized_hits_total", limitador_namespace="llm/a", who="ann", subscription="gold") == 7
    assert value(samples, "authorized_hits_total", limitador_namespace="llm/b") == 7
    assert value(samples, "authorized_hits_total", limitador_namespace="llm/unknown") == 7
    metrics.label(None)
    metrics.hit("llm/b", known, 1)
    assert value(parsed(metrics.text()), "authorized_hits_total", limitador_namespace="llm/b", **known) == 1


def line(status: int, milliseconds: int, subscription: str | None) -> str:
    listener = f"{INGRESS}/{MAAS}/http"
    return json.dumps(
        {"listener": listener, "status": status, "duration_ms": milliseconds, "subscription": subscription}
    )


@pytest.mark.row("MAAS-TOK-013")
def test_durations_are_read_on_from_where_the_log_was_left(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = LatencyLog(path)
    assert parsed(log.text()) == {}
    path.write_text(line(200, 4, "maas/gold@llm/m") + "\n" + line(429, 1, "maas/gold@llm/m")[:30], encoding="utf-8")
    labels = {"reporter": "source", "source_workload": f"{INGRESS}/{MAAS}", "subscription": "gold"}
    first = parsed(log.text())
    assert value(first, f"{NAME}_count", **labels, response_code="200") == 1
    assert value(first, f"{NAME}_bucket", **labels, response_code="200", le="5") == 1
    assert value(first, f"{NAME}_bucket", **labels, response_code="200", le="1") == 0
    assert value(first, f"{NAME}_count", **labels, response_code="429") == 0
    with path.open("a", encoding="utf-8") as more:
        more.write(line(429, 1, "maas/gold@llm/m")[30:] + "\nno JSON\n" + line(401, 2, None) + "\n")
    second = parsed(log.text())
    assert value(second, f"{NAME}_count", **labels, response_code="429") == 1
    assert value(second, f"{NAME}_count", **{**labels, "subscription": "unknown"}, response_code="401") == 1
    path.write_text(line(200, 9, "maas/gold@llm/m") + "\n", encoding="utf-8")
    third = parsed(log.text())
    assert value(third, f"{NAME}_sum", **labels, response_code="200") == 13


@pytest.mark.row("MAAS-TOK-008", "MAAS-TOK-009", "MAAS-TOK-010", "MAAS-TOK-013")
def test_tokens_calls_refusals_and_durations_of_a_user(rig: Rig) -> None:
    caller = rig.limited((100, "1h"))
    assert [caller.spend(40).status_code for _ in range(4)] == [200, 200, 200, 429]
    caller.fence()
    by_user = {name: rig.metric(name, caller.user) for name in ("authorized_hits", "authorized_calls", "limited_calls")}
    assert by_user == {"authorized_hits": 120, "authorized_calls": 3, "limited_calls": 1}
    series = [one for one in rig.stack.limiter_admin("/metrics").text.splitlines() if f'user="{caller.user}"' in one]
    assert {one.partition("{")[0]: 'model="' in one for one in series} == {
        "authorized_hits": True,
        "authorized_calls": False,
        "limited_calls": False,
    }
    url = rig.stack.parts["gateway"].endpoints["metrics"]
    wanted = ("response_code", "429"), ("subscription", "s1")

    def refused() -> float:
        samples = parsed(httpx.get(url, trust_env=False).text)
        return sum(count for (name, own), count in samples.items() if name == f"{NAME}_count" and set(wanted) <= own)

    assert eventually(refused) >= 1
    assert "envoy_http_downstream_rq_total" in httpx.get(url, trust_env=False).text


def test_every_process_tells_what_prometheus_can_read(rig: Rig) -> None:
    caller = rig.limited((100, "1h"))
    assert caller.spend(1).status_code == 200
    for part, series in (("limiter", "limitador_up"), ("authorizer", "auth_server_response_status_total")):
        answer = httpx.get(rig.stack.parts[part].endpoints["admin"] + "/metrics", trust_env=False)
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert series in {name for name, _ in parsed(answer.text)}


@pytest.mark.row("MAAS-TOK-010", "MAAS-TOK-011")
def test_a_policy_of_telemetry_says_whether_it_is_in_force(rig: Rig) -> None:
    name, gateway = fresh("unreadable"), "openshift-ai-inference"
    rig.world.telemetry(gateway, name, tier="auth.identity.shoe_size")

    def reason() -> dict[str, Any] | None:
        policy = rig.world.kube.get(TelemetryPolicy, name, namespace=INGRESS)
        conditions = (policy.get("status") or {}).get("conditions") or []
        return next((one for one in conditions if one["type"] == "Enforced"), None)

    found = eventually(reason)
    assert (found["status"], found["reason"]) == ("False", "InvalidCelExpression")
    assert "label tier" in found["message"]
    rig.world.kube.delete(TelemetryPolicy, name, namespace=INGRESS)
