"""Expectations that end in a verdict: each raises `NotConformant` with what was expected, what came, and the exchange that shows it."""

import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from harness.client.exchange import Exchange
from harness.client.official import RAISES
from harness.engine.failure import NotConformant, NotReady
from harness.world.discretion import indiscretion

Shape = Callable[[Exchange], str | None]
"""A body shape: None when the exchange has it, else what is wrong with it."""

_EXCERPT = 120
_QUOTA_WORDS = re.compile(r"rate|limit|quota|too many", re.IGNORECASE)
_SUBSCRIPTION_WORDS = re.compile(r"subscription", re.IGNORECASE)


def describe(exchange: Exchange) -> str:
    """An answer in a few words: status, media type, the beginning of its body."""
    if exchange.status is None:
        return f"no answer ({exchange.error})"
    body = exchange.body.decode("utf-8", errors="replace").strip()
    excerpt = body if len(body) <= _EXCERPT else body[:_EXCERPT] + "…"
    return f"{exchange.status} " + (f"with body {excerpt!r}" if body else "with an empty body")


def expect(
    holds: bool, *, expected: str, observed: str, exchange: Exchange | None = None, requirement: str | None = None
) -> None:
    """The general form."""
    if not holds:
        raise NotConformant(expected=expected, observed=observed, exchange=exchange, requirement=requirement)


def expect_status(exchange: Exchange, status: int, *, when: str, requirement: str | None = None) -> Exchange:
    """Exactly this status; `when` completes the sentence "200 when …".

    An official client must have raised the error that it documents for the status, and none for success.
    """
    if exchange.status != status:
        raise NotConformant(
            expected=f"{status} when {when}", observed=describe(exchange), exchange=exchange, requirement=requirement
        )
    if exchange.client != "http" and not _raised_as_documented(exchange.raised, status):
        raise NotConformant(
            expected=f"the client {exchange.client} to raise {_documented(status)} for {status} when {when}",
            observed=f"{exchange.raised or 'it raised nothing'}: {describe(exchange)}",
            exchange=exchange,
            requirement=requirement,
        )
    return exchange


def _raised_as_documented(raised: str | None, status: int) -> bool:
    return raised is not None if status >= 400 and status not in RAISES else raised == RAISES.get(status)


def _documented(status: int) -> str:
    return RAISES.get(status, "an error" if status >= 400 else "nothing")


def expect_json(exchange: Exchange, *, requirement: str | None = None) -> Any:
    """A JSON body, whatever the status."""
    try:
        return exchange.json()
    except ValueError:
        raise NotConformant(
            expected="a JSON body", observed=describe(exchange), exchange=exchange, requirement=requirement
        ) from None


def expect_equal(
    observed: Any, expected: Any, *, of: str, exchange: Exchange | None = None, requirement: str | None = None
) -> None:
    """Equality of two values that mean the same thing."""
    if observed != expected:
        raise NotConformant(
            expected=f"{of}: {expected!r}", observed=f"{observed!r}", exchange=exchange, requirement=requirement
        )


def expect_served(
    exchange: Exchange, *, when: str = "everything is granted", requirement: str | None = None
) -> Exchange:
    """A control: the platform serves what it must. No answer at all says nothing about conformance; a refusal does.

    A platform that refuses everybody fails here, so that no denial after it can pass for the right reason.
    """
    if exchange.status is None:
        raise NotReady(f"the control {exchange.request.method} {exchange.request.url} got no answer: {exchange.error}")
    return expect_status(exchange, 200, when=when, requirement=requirement)


def model_ids(exchange: Exchange) -> tuple[str, ...]:
    """The ids of a model list, in its order."""
    expect_status(exchange, 200, when="models are listed")
    document = expect_json(exchange)
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        raise NotConformant(
            expected='{"object":"list","data":[…]} with data an array',
            observed=describe(exchange),
            exchange=exchange,
            requirement="MAAS-LIST-001",
        )
    return tuple(str(item.get("id")) for item in data)


def listed_ids(exchange: Exchange) -> frozenset[str]:
    """The ids that a model list shows; nothing when the answer is no such list. Judges nobody."""
    data = _member(exchange, "data")
    return (
        frozenset(str(item.get("id")) for item in data if isinstance(item, dict))
        if isinstance(data, list)
        else frozenset()
    )


def any_refusal(exchange: Exchange) -> str | None:
    """A refusal holds no completion, no key material, and nothing of the platform's inside."""
    return "it carries a completion" if b'"choices"' in exchange.body else indiscretion(exchange)


def challenge(exchange: Exchange) -> str | None:
    """A 401: names how to authenticate (RFC 9110, section 15.5.2), and says nothing more."""
    if not exchange.header_values("www-authenticate"):
        return "there is no WWW-Authenticate header"
    return any_refusal(exchange)


def quota_refusal(exchange: Exchange) -> str | None:
    """A 429: speaks of rate, limit, quota or too many requests, and never of a missing subscription."""
    text = exchange.body.decode("utf-8", errors="replace")
    if not _QUOTA_WORDS.search(text):
        return "the body names neither rate, limit, quota nor too many requests"
    if _SUBSCRIPTION_WORDS.search(text):
        return "the body speaks of a subscription, as a 403 does"
    return any_refusal(exchange)


def error_object(kind: str) -> Shape:
    """`{"error": {"message", "type": kind}}`, as model and subscription lists answer."""

    def shape(exchange: Exchange) -> str | None:
        error = _member(exchange, "error")
        if not isinstance(error, dict) or not isinstance(error.get("message"), str):
            return 'the body is not {"error": {"message": …, "type": …}}'
        return None if error.get("type") == kind else f"error.type is {error.get('type')!r}, not {kind!r}"

    return shape


def flat_error(*, text: str | None = None, code: str | None = None) -> Shape:
    """`{"error": "text"[, "code": "…"]}`, as key management answers; `text` is a part of it."""

    def shape(exchange: Exchange) -> str | None:
        error = _member(exchange, "error")
        if not isinstance(error, str):
            return 'the body is not {"error": "text"}'
        if text is not None and text.lower() not in error.lower():
            return f"the error text {error!r} does not contain {text!r}"
        found = _member(exchange, "code")
        return None if code is None or found == code else f"code is {found!r}, not {code!r}"

    return shape


def expect_error(exchange: Exchange, *, when: str, requirement: str | None = None) -> Exchange:
    """An error that no client takes for an answer, whatever its code: for what a model or a broken part of a platform makes of a request.

    A gateway may have a code of its own for it, and an exchange that broke off is an error too.
    """
    wrong = any_refusal(exchange) if exchange.status is None or 400 <= exchange.status < 600 else "it is no 4xx or 5xx"
    if wrong is None and exchange.usage is not None:
        wrong = f"it states a usage ({exchange.usage})"
    if wrong is not None:
        raise NotConformant(
            expected=f"an error when {when}",
            observed=f"{wrong}: {describe(exchange)}",
            exchange=exchange,
            requirement=requirement,
        )
    return exchange


def expect_refused(
    exchange: Exchange, status: int, shape: Shape = any_refusal, *, when: str, requirement: str | None = None
) -> Exchange:
    """Exactly this status, and a body of this shape, which gives nothing away."""
    expect_status(exchange, status, when=when, requirement=requirement)
    if told := indiscretion(exchange):
        fail(f"a {status} that gives nothing away when {when}", told, exchange, requirement="MAAS-SEC-012")
    wrong = shape(exchange)
    if wrong is not None:
        raise NotConformant(
            expected=f"a {status} of the right shape when {when}",
            observed=f"{wrong}: {describe(exchange)}",
            exchange=exchange,
            requirement=requirement,
        )
    return exchange


def fail(expected: str, observed: str, exchange: Exchange | None = None, requirement: str | None = None) -> NoReturn:
    """End with a verdict."""
    raise NotConformant(expected=expected, observed=observed, exchange=exchange, requirement=requirement)


def sentence(items: Iterable[Any]) -> str:
    """Several things in one sentence; `none` for nothing."""
    return ", ".join(str(item) for item in items) or "none"


def _member(exchange: Exchange, name: str) -> Any:
    try:
        document = exchange.json()
    except ValueError:
        return None
    return document.get(name) if isinstance(document, dict) else None
