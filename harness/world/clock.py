"""Letting a subscription's window pass: at once where the platform's clock can be advanced, else in real time.

The clock is advanced for one subscription alone, because checks run in parallel and one check's window must not end another's.
"""

import threading

import httpx

from harness.client.trust import trust
from harness.engine.failure import NotReady
from harness.platforms.platform import Platform
from harness.world.governance import Rate, Subscription

_SLACK_S = 1.0
"""What a real window may take longer: it opens when the first charge is reported, which is after the response was read."""


class Clock:
    """Time, as the limiter's windows see it."""

    def __init__(self, platform: Platform) -> None:
        self._admin = platform.endpoints.limiter_admin if platform.provides.get("clock") else None

    @property
    def can_advance(self) -> bool:
        """Whether windows pass in no time; else a check waits as long as they are."""
        return self._admin is not None

    def pass_window(self, subscription: Subscription, rate: Rate | None = None) -> None:
        """Return when a window that is open now is over; without a rate, the longest one of the subscription."""
        longest = max(subscription.rates, key=lambda one: one.seconds)
        self.advance(subscription, (rate or longest).seconds, slack_s=_SLACK_S)

    def advance(self, subscription: Subscription, seconds: float, *, slack_s: float = 0.0) -> None:
        """Let that many seconds pass for the windows of one subscription. Raises NotReady when the clock refuses."""
        if self._admin is None:
            threading.Event().wait(seconds + slack_s)
            return
        name = f"{subscription.ref.namespace}/{subscription.name}"
        try:
            answer = httpx.post(
                f"{self._admin}/clock/advance",
                json={"seconds": seconds, "subscription": name},
                timeout=10,
                trust_env=False,
                verify=trust(),
            )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise NotReady(f"the clock of subscription {name} cannot be advanced: {error}") from error
