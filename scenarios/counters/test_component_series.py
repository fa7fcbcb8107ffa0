"""What the gateway and the authorizer tell of themselves: who waited how long, and what each rule had to decide."""

from collections.abc import Callable
from functools import partial

import pytest

from harness.client.secret import Secret
from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.platforms.platform import Platform
from harness.world.expectations import expect, expect_equal, expect_served, expect_status
from harness.world.patience import until
from harness.world.quota import spend
from harness.world.series import Scrape, scrape
from harness.world.world import World

DURATION = "istio_request_duration_milliseconds"
EVALUATED = "auth_server_evaluator_total"
CALLS = 20
NEVER_ISSUED = Secret("sk-oai-EEEEEEEEEEEEEEEE_4444444444444444444444444444444444444444444")


def scraped_until(platform: Platform, component: str, holds: Callable[[Scrape], bool]) -> Scrape:
    """The component's series once they are as they should be, or when the platform's bound for metrics is over."""
    bound = Bound("metrics_bound_s", platform.parameters.metrics_bound_s)
    seen, _ = until(partial(scrape, platform.endpoints.scrapes[component]), holds, bound)
    return seen


@check("MAAS-TOK-013", needs={"kube", "gateway-metrics"})
def test_the_gateway_tells_how_long_each_subscription_waited(world: World, platform: Platform) -> None:
    caller = world.customer(limit=70)
    spending = spend(caller.infer, limit=70)
    name = caller.account().subscription
    served, calls = len(spending.allowed), len(spending.allowed) + 1
    seen = scraped_until(platform, "gateway", lambda now: now.total(f"{DURATION}_count", subscription=name) >= calls)
    expect_equal(seen.total(f"{DURATION}_count", subscription=name), calls, of="requests timed for the subscription")
    expect_equal(
        seen.total(f"{DURATION}_count", subscription=name, response_code="200"), served, of="requests that were served"
    )
    expect_equal(
        seen.total(f"{DURATION}_bucket", subscription=name, le="+Inf"), calls, of="the histogram's last bucket"
    )
    longest = 1000 * platform.parameters.request_timeout_s * calls
    total = seen.total(f"{DURATION}_sum", subscription=name)
    expect(0 < total < longest, expected=f"milliseconds between 0 and {longest:g}", observed=f"{total:g}")


@check("MAAS-TOK-024", needs={"kube", "authorizer-metrics"})
def test_the_rules_that_ask_the_management_api_have_series(world: World, platform: Platform) -> None:
    caller = world.customer()
    before = scrape(platform.endpoints.scrapes["authorizer"])
    expect_served(caller.infer())
    rules = ("apiKeyValidation", "subscription-info")

    def grown(now: Scrape) -> bool:
        return all(
            now.total(EVALUATED, evaluator_name=rule) > before.total(EVALUATED, evaluator_name=rule) for rule in rules
        )

    seen = scraped_until(platform, "authorizer", grown)
    for rule in rules:
        expect(
            seen.total(EVALUATED, evaluator_name=rule) > before.total(EVALUATED, evaluator_name=rule),
            expected=f"{EVALUATED} of {rule} grown by a call with a key that was never used before",
            observed=f"{seen.total(EVALUATED, evaluator_name=rule):g}, as before",
        )
    expect(
        bool(seen.label_sets("auth_server_evaluator_duration_seconds_bucket")),
        expected="a histogram of what rules took",
        observed="none",
    )


@pytest.mark.parametrize("status", ["UNAUTHENTICATED", "PERMISSION_DENIED"])
@check("MAAS-TOK-024", needs={"kube", "authorizer-metrics"})
def test_the_series_that_alerts_watch_grow_with_refusals(world: World, platform: Platform, status: str) -> None:
    caller = world.anybody()
    expect_served(caller.infer())
    series = "auth_server_authconfig_response_status"
    before = scrape(platform.endpoints.scrapes["authorizer"])
    credential = Secret("not-a-token") if status == "UNAUTHENTICATED" else NEVER_ISSUED
    code = 401 if status == "UNAUTHENTICATED" else 403
    for _ in range(3):
        expect_status(world.caller(credential, model=caller.model).infer(), code, when="the credential is nobody's")
    seen = scraped_until(
        platform, "authorizer", lambda now: now.total(series, status=status) >= before.total(series, status=status) + 3
    )
    grown = seen.total(series, status=status) - before.total(series, status=status)
    expect(grown >= 3, expected=f"{series} of {status} grown by 3 or more", observed=f"by {grown:g}")


@check("MAAS-REV-012", needs={"kube", "tenants", "authorizer-metrics"})
def test_how_often_one_key_is_asked_about(world: World, platform: Platform) -> None:
    tenant = world.tenant()
    caller = tenant.customer()
    gateway = {"authconfig": tenant.gateway.name, "evaluator_name": "apiKeyValidation"}
    expect_served(caller.models())

    def asked(now: Scrape) -> float:
        return now.total(EVALUATED, **gateway)

    first = scraped_until(platform, "authorizer", lambda now: asked(now) > 0)
    if not asked(first):
        pytest.skip("not runnable: the authorizer's series do not tell one gateway's evaluations from another's")
    for _ in range(CALLS):
        expect_served(caller.models())
    grown = asked(scrape(platform.endpoints.scrapes["authorizer"])) - asked(first)
    world.wire.recorder.characteristic(f"key_validations_in_{CALLS}_calls", grown, "validations")
    expect(
        grown <= CALLS, expected=f"a key asked about at most once a call, {CALLS} times", observed=f"{grown:g} times"
    )
