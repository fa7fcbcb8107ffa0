"""What a hosted platform shows to somebody who has nothing but its URLs and keys."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from harness.client.completion import documents_of, parse_json
from harness.client.exchange import Exchange
from harness.client.official import Via
from harness.client.secret import Secret
from harness.engine.declaration import check
from harness.world.answer import expect_whole, tokens_of
from harness.world.caller import Caller
from harness.world.clients import EACH_CLIENT
from harness.world.expectations import (
    any_refusal,
    challenge,
    describe,
    error_object,
    expect,
    expect_equal,
    expect_refused,
    expect_served,
    expect_status,
    model_ids,
    quota_refusal,
)
from harness.world.inference import PATHS, Ask
from harness.world.lent import somebody_else, spendable, token_holder
from harness.world.world import World

NOBODYS: Final = Secret("sk-oai-BBBBBBBBBBBBBBBB_1111111111111111111111111111111111111111111")
LONG_CHARACTERS: Final = 256 * 1024
TOGETHER: Final = 6
TEXTS: Final = {
    "cjk": "请用中文回答 一加一等于几",
    "right-to-left": "ما هو مجموع واحد وواحد؟",
    "emoji": "👩🏽‍🚀🧑‍🤝‍🧑 how many people are these? 🇪🇺",
    "combining": "Zalgo: t\u0336\u0353e\u0334x\u0335t\u0321, n\u0303 and ñ, \u200bzero width",
    "escapes": '"quotes", back\\slash, </script>, {"usage":{"total_tokens":0}}, data: [DONE]',
}


@EACH_CLIENT
@pytest.mark.parametrize("script", sorted(TEXTS))
@check("MAAS-GW-004")
def test_prompts_in_any_script_are_answered(world: World, script: str, via: Via) -> None:
    ask = Ask(prompt=TEXTS[script], max_tokens=4)
    expect_whole(world.anybody().over(via).infer(ask), ask, when=f"the prompt is {script}")


@EACH_CLIENT
@check("MAAS-GW-004", "MAAS-SEC-012")
def test_a_prompt_beyond_every_context_is_refused_in_so_many_words(world: World, via: Via) -> None:
    """A quarter of a mebibyte is either answered or refused by the model as an OpenAI client understands it; never a failure."""
    caller = world.anybody().over(via)
    control = expect_served(caller.infer(Ask(max_tokens=1)))
    exchange = caller.infer(Ask(prompt="word " * (LONG_CHARACTERS // 5), max_tokens=1))
    if exchange.status == 200:
        expect(
            (tokens_of(exchange) or 0) > (tokens_of(control) or 0),
            expected="a usage that shows the long prompt",
            observed=f"{tokens_of(exchange)} tokens",
            exchange=exchange,
        )
        return
    expect_error_object(exchange, 400, 413, when="the prompt is longer than the context")


@EACH_CLIENT
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"max_tokens": -1}, id="negative-max-tokens"),
        pytest.param({"messages": "not a list"}, id="messages-of-another-type"),
        pytest.param({"temperature": "warm"}, id="temperature-in-words"),
    ],
)
@check("MAAS-RATE-028")
def test_a_wrong_request_is_answered_with_an_openai_error(world: World, wrong: dict[str, Any], via: Via) -> None:
    caller = world.anybody().over(via)
    expect_served(caller.infer(Ask(max_tokens=1)))
    for _ in range(3):
        exchange = caller.infer(Ask(max_tokens=1, changes=wrong))
        expect_error_object(exchange, 400, 422, when=f"the request has {wrong}")
        expect(exchange.usage is None, expected="no usage", observed=str(exchange.usage), exchange=exchange)
    expect_served(caller.infer(Ask(max_tokens=1)), when="wrong requests were answered with errors")


@EACH_CLIENT
@check("MAAS-GW-006", "MAAS-AUTH-066")
def test_a_model_that_the_path_does_not_serve_is_not_answered_for(world: World, via: Via) -> None:
    caller = world.anybody().over(via)
    expect_served(caller.infer(Ask(max_tokens=1)))
    exchange = caller.infer(model=caller.model.model_copy(update={"served_name": "no-such-model"}))
    expect_error_object(exchange, 400, 404, when="the body names another model than the path")


@pytest.mark.parametrize(
    "content", [b"{", b"", b"[]", b'"text"', b"\xff\xfe{}"], ids=["cut", "empty", "list", "text", "bytes"]
)
@check("MAAS-GW-006", "MAAS-SEC-012")
def test_a_body_that_is_no_request_is_refused(world: World, content: bytes) -> None:
    caller = world.anybody()
    expect_served(caller.infer(Ask(max_tokens=1)))
    exchange = caller.raw("POST", f"{caller.model.path}{PATHS['chat']}", content)
    expect(
        exchange.status is not None and 400 <= exchange.status < 500,
        expected="a 4xx for a body that is no chat request",
        observed=describe(exchange),
        exchange=exchange,
    )
    expect_discreet(exchange)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", PATHS["chat"]),
        ("DELETE", PATHS["chat"]),
        ("PUT", PATHS["completions"]),
        ("POST", "/v1/no-such-endpoint"),
    ],
)
@check("MAAS-SEC-012")
def test_what_no_protocol_knows_is_refused(world: World, method: str, path: str) -> None:
    caller = world.anybody()
    expect_served(caller.infer(Ask(max_tokens=1)))
    exchange = caller.gateway(
        method, f"{caller.model.path}{path}", json=Ask().body(caller.model) if method != "GET" else None
    )
    expect(
        exchange.status is not None and 400 <= exchange.status < 500,
        expected=f"a 4xx for {method} {path}",
        observed=describe(exchange),
        exchange=exchange,
    )
    expect_discreet(exchange)


@check("MAAS-LIST-001", "MAAS-AUTH-001", "MAAS-AUTH-004")
def test_the_list_is_for_those_who_have_a_key(world: World, stranger: Caller) -> None:
    caller = world.anybody()
    shown = model_ids(caller.models())
    expect(caller.model.model_id in shown, expected=f"{caller.model.model_id} is listed", observed=repr(shown))
    expect_refused(stranger.models(), 401, challenge, when="models are listed without a credential")
    expect_refused(world.caller(NOBODYS, model=caller.model).models(), 403, when="the key was never issued")


@check("MAAS-AUTH-007", "MAAS-AUTH-034", needs={"user-token"})
def test_a_token_lists_models_with_and_without_an_empty_subscription_header(world: World) -> None:
    holder = token_holder(world)
    plain = expect_status(holder.models(), 200, when="models are listed with a token", requirement="MAAS-AUTH-007")
    empty = holder.models(headers={"X-MaaS-Subscription": ""})
    expect_equal(
        model_ids(empty),
        model_ids(plain),
        of="models with an empty header",
        exchange=empty,
        requirement="MAAS-AUTH-034",
    )


@check("MAAS-AUTH-033", "MAAS-AUTH-035", needs={"user-token"})
def test_a_token_that_names_a_subscription_of_nobodys_is_refused(world: World) -> None:
    holder = token_holder(world)
    expect_served(holder.models())
    for name in ("no-such-subscription", "'; DROP TABLE api_keys; --", "../../etc/passwd"):
        refusal = holder.models(headers={"X-MaaS-Subscription": name})
        expect_refused(refusal, 403, error_object("permission_error"), when=f"the header names {name}")
        expect_discreet(refusal)


@EACH_CLIENT
@check("MAAS-GW-004")
def test_answers_that_are_asked_for_together_are_answers_of_their_own(world: World, via: Via) -> None:
    caller = world.anybody().over(via)
    caller.credential.secret()
    asks = [Ask(prompt=f"Question {number}.", max_tokens=8) for number in range(TOGETHER)]
    with ThreadPoolExecutor(TOGETHER) as pool:
        exchanges = [
            expect_whole(exchange, ask) for ask, exchange in zip(asks, pool.map(caller.infer, asks), strict=True)
        ]
    ids = {(parse_json(exchange.body) or {}).get("id") for exchange in exchanges}
    expect_equal(len(ids), TOGETHER, of="different ids", exchange=exchanges[0])


@EACH_CLIENT
@check("MAAS-SEC-012", needs={"second-caller"})
def test_streams_of_two_callers_at_the_same_time_never_mix(world: World, via: Via) -> None:
    callers = [world.anybody().over(via), somebody_else(world).over(via)] * (TOGETHER // 2)
    for caller in callers:
        caller.credential.secret()
    asks = [Ask(prompt=f"Question {number}.", max_tokens=12, stream=True) for number in range(TOGETHER)]
    with ThreadPoolExecutor(TOGETHER) as pool:
        sent = [pool.submit(caller.infer, ask) for caller, ask in zip(callers, asks, strict=True)]
        exchanges = [expect_whole(one.result(), ask) for one, ask in zip(sent, asks, strict=True)]
    ids = [{document.get("id") for document in documents_of(exchange)} for exchange in exchanges]
    expect_equal([len(one) for one in ids], [1] * TOGETHER, of="ids within each stream", exchange=exchanges[0])
    expect_equal(len(set[object]().union(*ids)), TOGETHER, of="different ids", exchange=exchanges[0])


@check("MAAS-KEY-051", needs={"second-caller"})
def test_nobody_reads_or_revokes_keys_by_guessing_ids(world: World) -> None:
    for caller in (world.anybody(), somebody_else(world)):
        expect_served(caller.models())
        answers = [
            expect_status(caller.manage(method, f"/v1/api-keys/{uuid.uuid4()}"), 404, when="the id is nobody's")
            for method in ("GET", "DELETE")
        ]
        expect_equal(len({answer.body for answer in answers}), 1, of="different bodies", exchange=answers[0])
        for answer in answers:
            expect_discreet(answer)


@check("MAAS-RATE-001", "MAAS-RATE-005", "MAAS-RATE-012", needs={"exhaustion"})
def test_a_budget_that_is_spent_is_refused_over_every_client_and_lists_all_the_same(world: World) -> None:
    budget = spendable(world)
    refusal = budget.exhaust()
    expect_refused(refusal, 429, quota_refusal, when="the budget is spent")
    for ask in (Ask(max_tokens=1), Ask(max_tokens=1, stream=True)):
        again = budget.caller.over("openai").infer(ask)
        expect_refused(again, 429, quota_refusal, when="the official client calls with a spent budget")
        expect_equal(again.events, (), of="events of a refused call", exchange=again)
    expect_status(
        budget.caller.models(), 200, when="models are listed with a spent budget", requirement="MAAS-RATE-012"
    )


def expect_error_object(exchange: Exchange, *statuses: int, when: str) -> None:
    """One of these, and the error object that OpenAI's clients read: message and type, code where there is one."""
    expect(
        exchange.status in statuses,
        expected=f"{' or '.join(map(str, statuses))} when {when}",
        observed=describe(exchange),
        exchange=exchange,
    )
    expect_status(exchange, exchange.status or 0, when=when)  # and the error that an official client documents for it
    error = (parse_json(exchange.body) or {}).get("error")
    expect(
        isinstance(error, dict)
        and all(isinstance(error.get(name), str) and error[name] for name in ("message", "type")),
        expected='{"error": {"message": "…", "type": "…"}}',
        observed=describe(exchange),
        exchange=exchange,
    )
    expect_discreet(exchange)


def expect_discreet(exchange: Exchange) -> None:
    """No answer, no key, nothing of the platform's inside."""
    wrong = any_refusal(exchange)
    expect(wrong is None, expected="a refusal that gives nothing away", observed=str(wrong), exchange=exchange,
           requirement="MAAS-SEC-012")  # fmt: skip
