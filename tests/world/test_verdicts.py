"""Sandwich, quota and expectations on exchanges made by hand: what they accept, and what they call by which name."""

import json
from collections.abc import Sequence

import pytest

from harness.client.exchange import Exchange, Request, Usage
from harness.engine.failure import NotConformant, NotReady
from harness.world.expectations import (
    any_refusal,
    challenge,
    error_object,
    expect_refused,
    expect_served,
    flat_error,
    listed_ids,
    model_ids,
    quota_refusal,
)
from harness.world.quota import spend
from harness.world.sandwich import Sandwich


def answer(
    status: int | None, body: object = b"", *, tokens: int | None = None, headers: Sequence[tuple[str, str]] = ()
) -> Exchange:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    usage = None if tokens is None else Usage(1, tokens - 1, tokens)
    request = Request("GET", "http://gw/v1/models", {}, None)
    return Exchange(
        "id", request, status, tuple(headers), text, (), usage, None, 0.01, None if status else "ConnectError"
    )


OK = answer(200, {"choices": []}, tokens=10)
SILENT = answer(None)
FULL = answer(429, b"Too Many Requests\n")


def playing(*answers: Exchange):
    """A caller that answers in this order."""
    queue = list(answers)
    return lambda: queue.pop(0)


def bread(*answers: Exchange, denied: Exchange, status: int = 403, shape=any_refusal):
    sandwich = Sandwich(lambda: None)
    return sandwich(control=playing(*answers), denied=lambda: denied, status=status, shape=shape, when="it must not")


def test_allowed_denied_allowed_is_a_proof():
    denied = answer(403, b"Access denied")
    assert bread(OK, OK, denied=denied) is denied


@pytest.mark.parametrize("place", [0, 1])
def test_a_platform_that_refuses_everybody_is_at_fault_itself(place):
    controls = [OK, OK]
    controls[place] = answer(403)
    with pytest.raises(NotConformant, match="the control"):
        bread(*controls, denied=answer(403))


def test_a_control_without_any_answer_says_nothing_about_conformance():
    with pytest.raises(NotReady, match="got no answer"):
        bread(SILENT, OK, denied=answer(403))


@pytest.mark.parametrize("denied", [answer(401), answer(404), answer(200), answer(500), SILENT])
def test_another_code_is_not_the_denial_that_was_promised(denied):
    with pytest.raises(NotConformant, match="expected 403 when it must not"):
        bread(OK, OK, denied=denied)


@pytest.mark.parametrize(
    ("shape", "good", "bad"),
    [
        (any_refusal, answer(403), answer(403, {"choices": []})),
        (challenge, answer(401, headers=[("WWW-Authenticate", "Bearer")]), answer(401)),
        (quota_refusal, FULL, answer(429, b"no")),
        (quota_refusal, answer(429, b"quota exceeded"), answer(429, b"no quota in your subscription")),
        (
            error_object("e"),
            answer(403, {"error": {"message": "m", "type": "e"}}),
            answer(403, {"error": {"message": "m", "type": "f"}}),
        ),
        (error_object("e"), answer(403, {"error": {"message": "m", "type": "e"}}), answer(403, {"error": "m"})),
        (flat_error(), answer(400, {"error": "x"}), answer(400, {"error": {"message": "x"}})),
        (flat_error(text="Name"), answer(400, {"error": "no name"}), answer(400, {"error": "x"})),
        (flat_error(code="c"), answer(400, {"error": "x", "code": "c"}), answer(400, {"error": "x"})),
        (flat_error(), answer(400, {"error": "x"}), answer(400, b"not json")),
    ],
)
def test_shapes_of_refusals(shape, good, bad):
    assert shape(good) is None
    assert shape(bad) is not None
    with pytest.raises(NotConformant, match="of the right shape"):
        expect_refused(bad, bad.status or 0, shape, when="so")


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("sk-oai-0123456789_0123456789abcdef0123", "key material"),
        ("Traceback (most recent call last):", "traceback"),
        ("goroutine 17 [running]:", "goroutine"),
        ("pq: SQLSTATE 42601", "sqlstate"),
    ],
)
def test_whatever_its_shape_a_refusal_that_tells_of_the_inside_is_one_of_its_own(said, word):
    good, bad = answer(400, {"error": "no database here"}), answer(400, {"error": said})
    assert any_refusal(good) is None
    assert word in (any_refusal(bad) or "")
    expect_refused(good, 400, flat_error(), when="so")
    with pytest.raises(NotConformant, match=word) as verdict:
        expect_refused(bad, 400, flat_error(), when="so", requirement="MAAS-KEY-007")
    assert verdict.value.requirement == "MAAS-SEC-012"


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([OK, OK, OK], "429 for request 3, with 20 of 15"),
        ([OK, FULL], "200 for request 2, with 10 of 15"),
        ([OK, answer(200, {"choices": []})], "states its usage"),
        ([OK, answer(500)], "200 or 429"),
        ([OK, OK, answer(429, b"")], "a 429 that speaks of a limit"),
    ],
)
def test_a_budget_that_ends_too_late_too_early_or_unseen_is_a_verdict(answers, words):
    with pytest.raises(NotConformant, match=words):
        spend(playing(*answers), limit=15)


def test_a_budget_that_ends_where_it_should_is_told_with_what_it_held():
    spending = spend(playing(OK, OK, FULL), limit=15)
    assert (spending.used, len(spending.allowed), spending.refusal) == (20, 2, FULL)


def test_no_answer_in_the_midst_of_a_budget_is_the_environments():
    with pytest.raises(NotReady):
        spend(playing(OK, SILENT), limit=15)


def test_a_list_is_read_in_its_order_and_judged_where_it_is_none():
    listed = answer(200, {"object": "list", "data": [{"id": "b"}, {"id": "a"}]})
    assert model_ids(listed) == ("b", "a")
    assert listed_ids(listed) == {"a", "b"}
    for wrong in (answer(200, {"object": "list", "data": None}), answer(200, b"[]"), answer(200, b"<html>")):
        assert listed_ids(wrong) == frozenset()
        with pytest.raises(NotConformant):
            model_ids(wrong)


def test_a_served_control_is_handed_on():
    assert expect_served(OK) is OK
