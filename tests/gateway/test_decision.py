"""The authorizer's decision, apart from transport: order of the rules, model identity, caches, and failing closed."""

import argparse
import asyncio
from collections.abc import Mapping

import pytest
from envoy.service.auth.v3 import external_auth_pb2

from harness.simulator.gateway.authorizer.cache import AnswerCache, Fresh
from harness.simulator.gateway.authorizer.check import CheckMethod
from harness.simulator.gateway.authorizer.credentials import with_authenticated
from harness.simulator.gateway.authorizer.decision import (
    DENIED,
    UNAUTHENTICATED,
    Admission,
    Authorizer,
    Identity,
    Refusal,
    Selection,
    UnavailableError,
)
from harness.simulator.gateway.authorizer.metrics import AuthMetrics
from harness.simulator.gateway.authorizer.oidc import Issuer, caller
from harness.simulator.gateway.authorizer.quirks import Quirk
from harness.simulator.gateway.authorizer.request import AccessRequest, Purpose
from harness.simulator.gateway.quirks import option

FOREVER = float("inf")
ISSUER = Issuer("https://issuer.example", "maas")


class Known:
    """One identity for everyone, or a refusal."""

    def __init__(self, value: Identity | Refusal, until: float = FOREVER) -> None:
        self.value, self.until, self.asked = value, until, 0

    async def identify(self, _headers: Mapping[str, str]) -> Fresh[Identity | Refusal]:
        self.asked += 1
        return Fresh(self.value, self.until)


class Chooses:
    """A selector that remembers what it was asked."""

    def __init__(self, value: Selection | Refusal, until: float = FOREVER) -> None:
        self.value, self.until = value, until
        self.questions: list[tuple[str, str]] = []

    async def select(
        self, _identity: Identity, model: str, subscription: str, _route: str
    ) -> Fresh[Selection | Refusal]:
        self.questions.append((model, subscription))
        return Fresh(self.value, self.until)


CHOICE = Selection("maas", "s1", "llm/m", "cc")
KEY = Identity("alice", ("g",), "key-1", "s1")
TOKEN = Identity("bob", ("system:authenticated",))


def request(
    path: str = "/llm/m/v1/chat/completions", model: str = "", route: str = "llm/r", **headers: str
) -> AccessRequest:
    return AccessRequest("POST", path, {name.replace("_", "-"): value for name, value in headers.items()}, model, route)


def decide(
    identity: Identity | Refusal,
    asked: AccessRequest,
    choice: Selection | Refusal = CHOICE,
    quirks: frozenset[Quirk] = frozenset(),
):
    return asyncio.run(Authorizer(Known(identity), Chooses(choice), quirks).decide(asked)).value


@pytest.mark.parametrize(
    ("path", "model", "route", "purpose", "identity"),
    [
        ("/llm/m/v1/chat/completions", "x", "llm/r", Purpose.INFERENCE, "llm/m"),
        ("/llm/m", "", "", Purpose.INFERENCE, "llm/m"),
        ("/v1/chat/completions", "publishers/llm/models/a/b", "llm/r", Purpose.INFERENCE, "publishers/llm/models/a/b"),
        ("/v1/models", "", "infra/api", Purpose.MANAGEMENT, ""),
        ("/v1/chat/completions", "", "", Purpose.MANAGEMENT, ""),
        ("/maas-api/v1/api-keys?x=1", "m", "infra/api", Purpose.MANAGEMENT, "m"),
        ("/maas-api/internal/v1/x", "", "infra/api", Purpose.INTERNAL, ""),
        (
            "/publishers/llm/models/facebook/opt/v1/completions",
            "",
            "llm/r",
            Purpose.INFERENCE,
            "publishers/llm/models/facebook/opt",
        ),
        ("/publishers/llm/models/m", "", "llm/r", Purpose.INFERENCE, "publishers/llm/models/m"),
        ("/v1/m/v1/chat/completions", "", "v1/r", Purpose.INFERENCE, "v1/m"),
        ("/maas-api/internal/v1/chat/completions", "", "maas-api/r", Purpose.INFERENCE, "maas-api/internal"),
        ("/", "", "", Purpose.MANAGEMENT, ""),
    ],
)
def test_purpose_and_model_of_a_request(path: str, model: str, route: str, purpose: Purpose, identity: str) -> None:
    asked = request(path, model, route)
    assert asked.purpose() is purpose
    if purpose is Purpose.INFERENCE:
        assert asked.requested_model() == identity


def test_an_unknown_caller_is_refused_before_anything_else() -> None:
    assert decide(UNAUTHENTICATED, request(x_maas_username="x")) is UNAUTHENTICATED


@pytest.mark.parametrize("name", ["x_maas_username", "x_maas_group"])
@pytest.mark.parametrize("path", ["/v1/models", "/llm/m/v1/chat/completions"])
def test_spoofed_identity_is_refused_whatever_its_value(name: str, path: str) -> None:
    assert decide(KEY, request(path, **{name: ""})) is DENIED


def test_inference_carries_what_the_quota_needs_and_hides_identity_and_credential() -> None:
    found = decide(KEY, request("/llm/m/v1/x?y=/v1/models", authorization="Bearer k", x_maas_subscription="other"))
    assert isinstance(found, Admission)
    assert found.metadata["selected_subscription_key"] == "maas/s1@llm/m"
    assert found.metadata["request_path"] == "/llm/m/v1/x"
    assert (found.metadata["cost_center"], "organization_id" in found.metadata) == ("cc", False)
    assert set(found.remove_headers) == {"x-maas-subscription", "authorization", "x-api-key"}
    assert found.set_headers == {}


@pytest.mark.row("MAAS-SEC-001", "MAAS-AUTH-037", "MAAS-RATE-025")
@pytest.mark.parametrize("quirks", [frozenset(), frozenset(Quirk), *(frozenset({quirk}) for quirk in Quirk)])
def test_a_quirk_changes_its_own_decision_alone(quirks: frozenset[Quirk]) -> None:
    found = decide(KEY, request("/llm/m/v1/x?y=/v1/models", authorization="Bearer k"), quirks=quirks)
    assert isinstance(found, Admission)
    internal = decide(KEY, request("/maas-api/internal/v1/subscriptions/select", route="infra/api"), quirks=quirks)
    shown = {
        Quirk.QUERY_IS_PART_OF_PATH: found.metadata["request_path"] == "/llm/m/v1/x?y=/v1/models",
        Quirk.CREDENTIAL_REACHES_MODEL: "authorization" not in found.remove_headers,
        Quirk.INTERNAL_BEHIND_GATEWAY: internal is not DENIED,
        Quirk.CLIENT_MAY_BE_MISSING: caller({"sub": "a", "exp": 1}, ISSUER, quirks) != DENIED,
        Quirk.ISSUERS_NAME_CLUSTER_USERS: caller({"sub": "system:a", "azp": "maas", "exp": 1}, ISSUER, quirks)
        != DENIED,
    }
    assert shown == {quirk: quirk in quirks for quirk in Quirk}


def test_quirks_are_named_by_their_requirements() -> None:
    parse = option(Quirk)
    assert (parse("none"), parse("upstream")) == (frozenset(), frozenset(Quirk))
    assert parse("MAAS-SEC-001, MAAS-RATE-025") == {Quirk.INTERNAL_BEHIND_GATEWAY, Quirk.QUERY_IS_PART_OF_PATH}
    with pytest.raises(argparse.ArgumentTypeError, match=r"some of MAAS-SEC-001.*came 'MAAS-X'"):
        parse("MAAS-X")


@pytest.mark.parametrize(
    ("identity", "header", "asked"),
    [(KEY, "other", "s1"), (TOKEN, "other", "other"), (TOKEN, "", ""), (TOKEN, " ", "")],
)
def test_a_key_is_bound_and_a_token_chooses(identity: Identity, header: str, asked: str) -> None:
    selector = Chooses(CHOICE)
    asyncio.run(Authorizer(Known(identity), selector).decide(request(x_maas_subscription=header)))
    assert selector.questions == [("llm/m", asked)]


def test_a_selectors_refusal_is_passed_on() -> None:
    refusal = Refusal(403, "multiple_subscriptions", "choose one with X-MaaS-Subscription")
    assert decide(TOKEN, request(), refusal) is refusal


def test_management_headers_replace_what_the_client_sent() -> None:
    found = decide(TOKEN, request("/v1/models", x_maas_subscription="mine", x_maas_tenant="x"))
    assert isinstance(found, Admission)
    assert found.set_headers == {
        "X-MaaS-Username": "bob",
        "X-MaaS-Group": '["system:authenticated"]',
        "X-MaaS-Subscription": "mine",
    }
    assert found.remove_headers == ("x-maas-tenant",)


def test_groups_that_look_like_json_do_not_break_out_of_the_header() -> None:
    found = decide(Identity("eve", ('a","admins',)), request("/v1/models"))
    assert isinstance(found, Admission)
    assert found.set_headers["X-MaaS-Group"] == '["a\\",\\"admins"]'


def test_a_decision_lives_as_long_as_its_shortest_part() -> None:
    found = asyncio.run(Authorizer(Known(KEY, 7.0), Chooses(CHOICE, 5.0)).decide(request()))
    assert found.until == 5.0


def test_every_token_belongs_to_the_authenticated_once() -> None:
    assert with_authenticated(("a", "system:authenticated")) == ("system:authenticated", "a")


def check_message(**headers: str) -> bytes:
    message = external_auth_pb2.CheckRequest()
    message.attributes.request.http.path = "/llm/m/v1/chat/completions"
    message.attributes.request.http.method = "POST"
    message.attributes.request.http.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return message.SerializeToString()


async def answered(check: CheckMethod, message: bytes) -> external_auth_pb2.CheckResponse:
    answer = check(message)
    return external_auth_pb2.CheckResponse.FromString(answer if isinstance(answer, bytes) else await answer)


def test_answers_are_repeated_while_fresh_and_keyed_by_everything_they_depend_on() -> None:
    now = 10.0
    identities = Known(KEY, 12.0)
    metrics = AuthMetrics()
    check = CheckMethod(Authorizer(identities, Chooses(CHOICE)), metrics, now=lambda: now)

    async def scenario() -> list[int]:
        nonlocal now
        asked = []
        for moment, headers in [
            (10.0, {"authorization": "a"}),
            (11.9, {"authorization": "a"}),
            (11.9, {"authorization": "b"}),
            (12.1, {"authorization": "a"}),
        ]:
            now = moment
            await answered(check, check_message(**headers))
            asked.append(identities.asked)
        return asked

    assert asyncio.run(scenario()) == [1, 1, 2, 3]
    assert metrics.answers == {200: 4}


def test_what_cannot_be_decided_is_refused_and_not_remembered() -> None:
    class Broken(Known):
        async def identify(self, headers: Mapping[str, str]) -> Fresh[Identity | Refusal]:
            await super().identify(headers)
            raise UnavailableError("maas-api did not answer")

    broken = Broken(KEY)
    check = CheckMethod(Authorizer(broken, Chooses(CHOICE)), AuthMetrics())

    async def scenario() -> list[int]:
        return [(await answered(check, check_message())).denied_response.status.code for _ in range(2)]

    assert asyncio.run(scenario()) == [503, 503]
    assert broken.asked == 2


def test_the_cache_counts_from_the_question_asks_once_and_forgets_failures() -> None:
    now = 0.0
    cache: AnswerCache[str] = AnswerCache(2.0, size=2, now=lambda: now)
    asked: list[str] = []
    gate = asyncio.Event()

    async def ask(name: str) -> str:
        asked.append(name)
        await gate.wait()
        if name == "bad":
            raise UnavailableError(name)
        return name

    async def scenario() -> None:
        nonlocal now
        waiting = [asyncio.ensure_future(cache.get("a", lambda: ask("a"))) for _ in range(3)]
        await asyncio.sleep(0)
        now = 1.5
        gate.set()
        assert {(await item).until for item in waiting} == {2.0}
        waiting[0].cancel()
        assert (await cache.get("a", lambda: ask("a"))).value == "a"
        now = 2.0
        await cache.get("a", lambda: ask("a"))
        for _ in range(2):
            with pytest.raises(UnavailableError):
                await cache.get("bad", lambda: ask("bad"))

    asyncio.run(scenario())
    assert asked == ["a", "a", "bad", "bad"]


def test_a_bound_of_zero_repeats_nothing() -> None:
    asked = []

    async def ask() -> int:
        asked.append(1)
        return len(asked)

    async def scenario() -> list[int]:
        cache: AnswerCache[int] = AnswerCache(0.0)
        return [(await cache.get("k", ask)).value for _ in range(3)]

    assert asyncio.run(scenario()) == [1, 2, 3]
