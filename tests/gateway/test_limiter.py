"""The limiter's decisions: Limitador's semantics, without any transport."""

import itertools

import pytest
from envoy.extensions.common.ratelimit.v3 import ratelimit_pb2
from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf import wrappers_pb2

from harness.simulator.gateway.caller import NOBODY, Caller
from harness.simulator.gateway.limiter.admission import Admission, Subject, UnknownDomainError
from harness.simulator.gateway.limiter.counters import Counters, SubscriptionClock
from harness.simulator.gateway.limiter.descriptor import should_rate_limit
from harness.simulator.gateway.limiter.limits import LimitSet
from harness.simulator.gateway.limiter.metrics import TokenMetrics
from harness.simulator.gateway.unary import GrpcError

DOMAIN = "llm/route"
KEY = "auth.identity.selected_subscription_key"


class Time:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A limiter with one domain."""

    def __init__(self) -> None:
        self.time = Time()
        self.clock = SubscriptionClock(self.time)
        self.metrics = TokenMetrics()
        self.counters = Counters(self.clock)
        self.admission = Admission(self.counters, self.metrics)

    def limits(self, *specs: dict) -> None:
        self.admission.replace(LimitSet.model_validate({"domains": {DOMAIN: list(specs)}}).limits())

    def check(self, user: str = "alice", key: str = "maas/s1@llm/m", path: str = "/llm/m/v1/chat/completions") -> bool:
        return self.admission.check(subject(user, key, path), {"user": user}).allowed

    def report(self, tokens: int, user: str = "alice", key: str = "maas/s1@llm/m") -> None:
        self.admission.report(subject(user, key), tokens, {"user": user})

    def used(self) -> list[int]:
        return sorted(used for _, used, _, _ in self.counters.open_windows())


def subject(user: str, key: str, path: str = "/llm/m/v1/chat/completions") -> Subject:
    return Subject(DOMAIN, (("userid", user), ("selected_subscription_key", key)), path)


def limit(
    max_value: int = 10, seconds: int = 60, name: str = "one", subscription: str = "maas/s1@llm/m", **more: object
) -> dict:
    condition = f'{KEY} == "{subscription}" && !request.path.endsWith("/v1/models")'
    return {
        "policy": "llm/policy", "name": name, "max_value": max_value, "seconds": seconds,
        "conditions": [condition], "variables": ["auth.identity.userid"], **more,
    }  # fmt: skip


@pytest.fixture
def bench() -> Bench:
    found = Bench()
    found.limits(limit())
    return found


def test_a_check_denies_when_used_reaches_the_limit_and_not_before(bench: Bench) -> None:
    bench.report(9)
    assert bench.check()
    bench.report(1)
    assert not bench.check()


def test_the_window_opens_with_the_first_charge_not_with_a_check(bench: Bench) -> None:
    assert bench.check()
    bench.time.now += 50
    bench.report(10)
    bench.time.now += 59.9
    assert not bench.check()
    bench.time.now += 0.1
    assert bench.check()


def test_later_charges_do_not_move_the_end_of_the_window(bench: Bench) -> None:
    bench.report(5)
    bench.time.now += 59
    bench.report(5)
    assert not bench.check()
    bench.time.now += 1
    assert bench.check()


def test_overshoot_is_kept_in_the_window_and_not_carried_into_the_next(bench: Bench) -> None:
    bench.report(1000)
    assert bench.used() == [1000]
    bench.time.now += 60
    bench.report(3)
    assert bench.used() == [3]


def test_a_limit_of_zero_denies_the_first_call(bench: Bench) -> None:
    bench.limits(limit(0))
    assert not bench.check()


def test_a_window_of_no_seconds_never_limits_unless_the_limit_is_zero(bench: Bench) -> None:
    bench.limits(limit(1, 0))
    bench.report(100)
    assert bench.check()


def test_a_report_of_no_tokens_costs_one(bench: Bench) -> None:
    bench.report(0)
    assert bench.used() == [1]


def test_every_limit_is_charged_and_any_exhausted_one_denies(bench: Bench) -> None:
    bench.limits(limit(100, 3600), limit(10, 60))
    bench.report(10)
    assert bench.used() == [10, 10]
    assert not bench.check()
    bench.time.now += 60
    assert bench.check()
    bench.report(90)
    assert not bench.check()
    bench.time.now += 60
    assert not bench.check()


def test_two_rates_with_one_window_are_one_limit_and_the_first_counts(bench: Bench) -> None:
    bench.limits(limit(100, 60), limit(50, 60))
    bench.report(60)
    assert bench.used() == [60]
    assert bench.check()


def test_an_edited_amount_keeps_and_an_edited_window_forgets(bench: Bench) -> None:
    bench.report(10)
    bench.limits(limit(11))
    assert (bench.check(), bench.used()) == (True, [10])
    bench.limits(limit(11, 61))
    assert bench.used() == []


def test_a_limit_that_left_and_came_back_starts_anew(bench: Bench) -> None:
    bench.report(10)
    bench.limits()
    bench.limits(limit())
    assert bench.check()


def test_users_and_subscriptions_have_counters_of_their_own(bench: Bench) -> None:
    bench.limits(limit(), limit(name="two", subscription="maas/s2@llm/m"))
    bench.report(10)
    assert [bench.check(), bench.check("bob"), bench.check(key="maas/s2@llm/m")] == [False, True, True]


def test_the_clock_moves_for_one_subscription_alone(bench: Bench) -> None:
    bench.limits(limit(), limit(name="two", subscription="maas/s2@llm/m"))
    bench.report(10)
    bench.report(10, key="maas/s2@llm/m")
    bench.clock.advance("maas/s1", 60)
    assert [bench.check(), bench.check(key="maas/s2@llm/m")] == [True, False]


def test_an_exempt_path_passes_uncounted_and_an_unknown_subscription_does_not_pass(bench: Bench) -> None:
    bench.report(10)
    assert bench.check(path="/llm/m/v1/models")
    assert bench.check(key="maas/unknown@llm/m", path="/llm/m/v1/models")
    assert not bench.check(key="maas/unknown@llm/m")
    assert "authorized_calls{" not in bench.metrics.text()


def test_a_domain_without_limits_passes_and_an_unknown_domain_is_an_error(bench: Bench) -> None:
    bench.limits()
    assert bench.check()
    with pytest.raises(UnknownDomainError, match="other/route"):
        bench.admission.check(Subject("other/route", (), "/"), {})


def test_missing_identity_is_refused_where_a_limit_would_apply(bench: Bench) -> None:
    assert not bench.admission.check(Subject(DOMAIN, (), "/llm/m/v1/chat/completions"), {}).allowed


def test_metrics_count_calls_tokens_and_denials_under_limitadors_names(bench: Bench) -> None:
    bench.check()
    bench.report(7)
    bench.report(8)
    bench.check()
    series = {
        line.rsplit(" ", 1)[0]: line.rsplit(" ", 1)[1] for line in bench.metrics.text().splitlines() if "{" in line
    }
    labels = '{limitador_namespace="llm/route",user="alice"}'
    assert series == {f"authorized_calls{labels}": "1", f"authorized_hits{labels}": "15", f"limited_calls{labels}": "1"}


def test_label_values_are_escaped() -> None:
    metrics = TokenMetrics()
    metrics.called("a/b", {"user": 'x"\\\n'})
    assert r'user="x\"\\\n"' in metrics.text()


def test_the_outcome_of_any_interleaving_is_the_sum_of_reports(bench: Bench) -> None:
    for order in itertools.permutations((1, 20, 300)):
        bench.limits()
        bench.limits(limit(1000))
        for tokens in order:
            bench.check()
            bench.report(tokens)
        assert bench.used() == [321]


def rls(phase: str, hits: int | None = None, domain: str = DOMAIN, user: str = "a@b.c") -> bytes:
    caller = Caller({"userid": user, "selected_subscription_key": "maas/s1@llm/m"}, "/llm/m/x", {"model": "m"})
    descriptor = ratelimit_pb2.RateLimitDescriptor(
        entries=[ratelimit_pb2.RateLimitDescriptor.Entry(key=phase, value=caller.text())],
        hits_addend=None if hits is None else wrappers_pb2.UInt64Value(value=hits),
    )
    return rls_pb2.RateLimitRequest(domain=domain, descriptors=[descriptor]).SerializeToString()


def code(answer: bytes) -> int:
    return rls_pb2.RateLimitResponse.FromString(answer).overall_code


def test_the_protocol_checks_with_any_addend_and_charges_the_reported_one(bench: Bench) -> None:
    handle = should_rate_limit(bench.admission)
    for addend in (None, 0, 1000):
        assert code(handle(rls("check", addend))) == rls_pb2.RateLimitResponse.OK
    assert bench.used() == []
    assert code(handle(rls("report", 10))) == rls_pb2.RateLimitResponse.OK
    denied = rls_pb2.RateLimitResponse.FromString(handle(rls("check", 0)))
    assert (denied.overall_code, denied.raw_body) == (rls_pb2.RateLimitResponse.OVER_LIMIT, b"Too Many Requests\n")
    assert not denied.response_headers_to_add
    assert (
        'authorized_hits{limitador_namespace="llm/route",user="a@b.c",subscription="s1",model="m"} 10'
        in bench.metrics.text()
    )


@pytest.mark.parametrize("text", ["", "nobody", "{}", '{"identity":[],"path":"","labels":{}}'])
def test_the_protocol_fails_for_a_caller_that_cannot_be_read(bench: Bench, text: str) -> None:
    entry = ratelimit_pb2.RateLimitDescriptor.Entry(key="check", value=text)
    descriptor = ratelimit_pb2.RateLimitDescriptor(entries=[entry])
    request = rls_pb2.RateLimitRequest(domain=DOMAIN, descriptors=[descriptor]).SerializeToString()
    with pytest.raises(GrpcError, match="names no caller"):
        should_rate_limit(bench.admission)(request)


def test_nobody_is_not_unlimited_on_a_route_that_has_limits(bench: Bench) -> None:
    entry = ratelimit_pb2.RateLimitDescriptor.Entry(key="check", value=NOBODY)
    descriptor = ratelimit_pb2.RateLimitDescriptor(entries=[entry])
    request = rls_pb2.RateLimitRequest(domain=DOMAIN, descriptors=[descriptor]).SerializeToString()
    assert code(should_rate_limit(bench.admission)(request)) == rls_pb2.RateLimitResponse.OVER_LIMIT


@pytest.mark.parametrize("domain", ["", "nobody/knows"])
def test_the_protocol_fails_without_a_known_domain(bench: Bench, domain: str) -> None:
    with pytest.raises(GrpcError):
        should_rate_limit(bench.admission)(rls("check", domain=domain))


def test_a_limit_set_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValueError, match="surprise"):
        LimitSet.model_validate({"domains": {DOMAIN: [limit(surprise=1)]}})
