"""Token quotas through the real gateway: exact at the request that spends the last token, and exact in the books."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.gateway.conftest import Rig
from tests.gateway.world import TokenPolicy, eventually, fresh, token_policy


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fresh_connections", [False, True])
def test_the_429_comes_at_exactly_the_right_request_for_every_user(
    rig: Rig, stream: bool, fresh_connections: bool
) -> None:
    caller = rig.limited((60, "1m"))
    for _ in range(15):
        one = rig.caller(caller.model)
        statuses = []
        for _ in range(6):
            if fresh_connections:
                with httpx.Client(trust_env=False, verify=False) as client:
                    answer = client.post(rig.url + one.model.path, json=one.body(stream=stream), headers=one.headers)
            else:
                answer = one.post(stream=stream)
            statuses.append(answer.status_code)
        assert statuses == [200, 200, 200, 200, 429, 429]
        assert one.used() == 60


def test_spending_exactly_the_limit_allows_nothing_more(rig: Rig) -> None:
    caller = rig.limited((10, "1m"))
    assert [caller.spend(5).status_code for _ in range(3)] == [200, 200, 429]


def test_the_crossing_request_succeeds_and_its_overshoot_stays_in_the_window(rig: Rig) -> None:
    caller = rig.limited((10, "1m"))
    assert caller.spend(9).status_code == 200
    assert caller.spend(500).status_code == 200
    assert caller.spend(1).status_code == 429
    assert caller.used() == 509


def test_a_denied_request_looks_as_on_the_stack_and_never_reaches_the_model(rig: Rig) -> None:
    caller = rig.limited((1, "1m"))
    caller.spend(5)
    request_id = fresh("denied")
    answer = rig.http.post(
        rig.url + caller.model.path, json=caller.body(), headers=caller.headers | {"X-Request-Id": request_id}
    )
    assert (answer.status_code, answer.text) == (429, "Too Many Requests\n")
    assert answer.headers["content-type"] == "text/plain"
    assert not [name for name in answer.headers if "ratelimit" in name or name == "retry-after"]
    assert rig.models.of(request_id) == []
    assert caller.used() == 5


def test_the_quota_returns_when_its_window_has_passed(rig: Rig) -> None:
    subscription = f"maas/{fresh('s')}"
    model = rig.world.model(rig.model_port)
    rig.world.limit(model, (10, "1m"), subscription=subscription)
    one, bystander = rig.caller(model, subscription=subscription), rig.limited((10, "1m"))
    for caller in (one, bystander):
        assert [caller.spend(10).status_code, caller.spend(10).status_code] == [200, 429]
    admin = rig.stack.parts["limiter"].endpoints["admin"]
    advance = {"seconds": 30, "subscription": subscription}
    assert rig.http.post(admin + "/clock/advance", json=advance).status_code == 200
    assert one.spend(10).status_code == 429
    rig.http.post(admin + "/clock/advance", json=advance | {"seconds": 30.5})
    assert one.spend(4).status_code == 200
    assert one.used() == 4
    assert bystander.spend(1).status_code == 429


def test_counters_are_separate_for_users_models_and_subscriptions_and_shared_by_keys_and_addressing(rig: Rig) -> None:
    first, second = rig.world.model(rig.model_port), rig.world.model(rig.model_port)
    rig.world.limit(second, (10, "1m"))
    both = {"maas/s1": ((10, "1m"),), "maas/s2": ((10, "1m"),)}
    rig.world.create(TokenPolicy, first.namespace, "both", token_policy(first, both))
    rig.world.enforced(TokenPolicy, first.namespace, "both")
    alice = rig.caller(first)
    assert alice.spend(10).status_code == 200
    other_key = rig.caller(first, user=alice.user)
    assert other_key.key != alice.key
    assert other_key.post(by_body=True).status_code == 429
    assert rig.caller(first).spend(10).status_code == 200
    assert rig.caller(second, user=alice.user).spend(10).status_code == 200
    assert rig.caller(first, user=alice.user, subscription="maas/s2").spend(10).status_code == 200


def test_every_window_of_a_subscription_applies(rig: Rig) -> None:
    caller = rig.limited((1000, "1h"), (10, "1m"))
    assert [caller.spend(6).status_code for _ in range(3)] == [200, 200, 429]
    caller.fence()
    assert sorted(item["used"] for item in rig.counters(caller.user)) == [12, 12]


def test_listing_models_is_free_even_when_the_quota_is_spent(rig: Rig) -> None:
    caller = rig.limited((5, "1m"))
    caller.spend(5)
    base = rig.url + caller.model.path.removesuffix("/chat/completions")
    answer = rig.http.get(base + "/models", headers=caller.headers)
    assert answer.status_code == 200
    assert caller.used() == 5
    assert caller.post().status_code == 429
    query = rig.http.post(rig.url + caller.model.path + "?x=/v1/models", json=caller.body(), headers=caller.headers)
    assert query.status_code == 429


def test_an_edited_amount_keeps_what_was_used_and_an_edited_window_forgets_it(rig: Rig) -> None:
    caller = rig.limited((10, "1m"))
    name = f"maas-trlp-{caller.model.name}"
    assert [caller.spend(10).status_code, caller.spend(10).status_code] == [200, 429]
    edit(rig, caller.model, name, (20, "1m"))
    assert caller.used() == 10
    assert [caller.spend(10).status_code, caller.spend(1).status_code] == [200, 429]
    edit(rig, caller.model, name, (20, "2m"))
    assert caller.spend(3).status_code == 200
    assert caller.used() == 3


def edit(rig: Rig, model, name: str, *rates: tuple[int, str]) -> None:
    rig.world.patch(TokenPolicy, model.namespace, name, {"spec": token_policy(model, {"maas/s1": rates})})
    rig.world.enforced(TokenPolicy, model.namespace, name)


def test_a_subscription_that_no_limit_names_is_refused_rather_than_unlimited(rig: Rig) -> None:
    caller = rig.limited((10, "1m"))
    stranger = rig.caller(caller.model, subscription="maas/forgotten")
    assert stranger.spend(1).status_code == 429
    base = rig.url + caller.model.path.removesuffix("/chat/completions")
    assert rig.http.get(base + "/models", headers=stranger.headers).status_code == 200


@pytest.mark.row("MAAS-GW-010")
def test_a_policy_on_the_gateway_denies_routes_without_a_policy_of_their_own(rig: Rig) -> None:
    bare = rig.caller(rig.world.model(rig.model_port))
    assert bare.spend(5).status_code == 200
    governed = rig.limited((10, "1m"))
    spec = {
        "targetRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "maas-default-gateway"},
        "limits": {
            "default-deny": {
                "rates": [{"limit": 0, "window": "1m"}],
                "when": [
                    {"predicate": '!request.path.startsWith("/maas-api") && !request.path.startsWith("/v1/models")'}
                ],
                "counters": [{"expression": "auth.identity.userid"}],
            }
        },
    }
    rig.world.create(TokenPolicy, "openshift-ingress", "gateway-default-deny", spec)
    try:
        rig.world.enforced(TokenPolicy, "openshift-ingress", "gateway-default-deny")
        assert bare.spend(1).status_code == 429
        assert governed.spend(5).status_code == 200
        assert rig.http.get(rig.url + "/v1/models", headers=bare.headers).status_code == 200
    finally:
        rig.world.kube.delete(TokenPolicy, "gateway-default-deny", namespace="openshift-ingress")
    eventually(lambda: bare.spend(1).status_code == 200)


def test_a_policy_that_cannot_be_read_says_so_and_lets_nothing_through(rig: Rig) -> None:
    model = rig.world.model(rig.model_port)
    caller = rig.caller(model)
    spec = token_policy(model, {"maas/s1": ((10, "1m"),)})
    next(iter(spec["limits"].values()))["when"] = [{"predicate": "auth.identity.userid =="}]
    rig.world.create(TokenPolicy, model.namespace, "broken", spec)

    def told() -> bool:
        policy = rig.world.kube.get(TokenPolicy, "broken", namespace=model.namespace)
        found = {item["type"]: item for item in (policy.get("status") or {}).get("conditions") or ()}
        return found.get("Enforced", {}).get("reason") == "InvalidCelExpression"

    eventually(told)
    assert caller.spend(1).status_code == 429


def test_the_books_are_exact_under_concurrency(rig: Rig) -> None:
    caller = rig.limited((1_000_000, "1m"))
    barrier = threading.Barrier(8)

    def work(number: int) -> int:
        barrier.wait()
        with httpx.Client(trust_env=False, verify=False, timeout=60) as client:
            total = 0
            for index in range(20):
                body = caller.body({"prompt": number, "tokens": index}, stream=bool(index % 2))
                assert client.post(rig.url + caller.model.path, json=body, headers=caller.headers).status_code == 200
                total += number + index
            return total

    with ThreadPoolExecutor(8) as pool:
        expected = sum(pool.map(work, range(1, 9)))
    assert caller.used() == expected
    assert rig.metric("authorized_hits", caller.user) == expected
    assert rig.metric("authorized_calls", caller.user) == 160


def test_each_denial_counts_once_and_a_refused_credential_counts_nowhere(rig: Rig) -> None:
    caller = rig.limited((5, "1m"))
    caller.spend(5)
    assert [caller.spend(1).status_code for _ in range(3)] == [429, 429, 429]
    assert rig.metric("limited_calls", caller.user) == 3
    before = rig.stack.limiter_admin("/metrics").text
    for value, status in (("Bearer garbage", 401), ("Bearer sk-oai-unknown", 403)):
        assert (
            rig.http.post(rig.url + caller.model.path, json={}, headers={"Authorization": value}).status_code == status
        )
    assert rig.stack.limiter_admin("/metrics").text == before
