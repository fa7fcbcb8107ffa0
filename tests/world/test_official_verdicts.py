"""What an official client raised is part of the verdict on a status."""

from dataclasses import replace

import pytest

from harness.client.exchange import Exchange, Request
from harness.engine.failure import NotConformant, NotReady
from harness.world.expectations import expect_served, expect_status

PLAIN = Exchange("id", Request("POST", "http://x", {}, b""), 200, (), b"{}", (), None, None, 0.1)


def answered(status: int | None, raised: str | None) -> Exchange:
    return replace(PLAIN, status=status, raised=raised, client="openai")


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (200, None),
        (401, "AuthenticationError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (418, "APIStatusError"),
    ],
)
def test_the_documented_error_is_what_is_asked_for(status: int, raised: str | None) -> None:
    assert expect_status(answered(status, raised), status, when="it is tried").status == status


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (200, "APIResponseValidationError"),
        (401, None),
        (401, "PermissionDeniedError"),
        (429, "APIStatusError"),
        (418, None),
    ],
)
def test_any_other_is_the_platform_s_fault(status: int, raised: str | None) -> None:
    with pytest.raises(NotConformant, match="the client openai to raise"):
        expect_status(answered(status, raised), status, when="it is tried")


def test_our_own_client_raises_nothing_and_is_not_asked() -> None:
    assert expect_status(replace(PLAIN, status=401), 401, when="it is tried").raised is None


def test_no_answer_says_nothing_of_conformance() -> None:
    with pytest.raises(NotReady):
        expect_served(answered(None, "APIConnectionError"))
