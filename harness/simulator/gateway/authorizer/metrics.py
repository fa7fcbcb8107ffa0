"""Series of the authorizer under Authorino's names: whole answers, and what each rule of a gateway's AuthPolicy had to do.

A rule counts when it is really evaluated; an answer that is repeated from memory counts as an answer alone.
"""

import asyncio
import contextlib
import time
from collections import Counter as Tally
from collections.abc import Iterator

from harness.simulator.exposition import Family, Histogram, Labels, exposition, tallied
from harness.simulator.gateway.authorizer.decision import UnavailableError

CODES = {200: "OK", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 503: "UNAVAILABLE"}
"""What the series call an answer: the gRPC code it is given with."""
EVALUATORS = {
    "api-keys": "IDENTITY_PLAIN",
    "oidc-identities": "IDENTITY_OIDC",
    "openshift-identities": "IDENTITY_KUBERNETES",
    "apiKeyValidation": "METADATA_GENERIC_HTTP",
    "subscription-info": "METADATA_GENERIC_HTTP",
    "deny-client-identity-headers": "AUTHORIZATION_PATTERN_MATCHING",
    "auth-valid": "AUTHORIZATION_PATTERN_MATCHING",
    "subscription-valid": "AUTHORIZATION_PATTERN_MATCHING",
    "oidc-groups-safe": "AUTHORIZATION_PATTERN_MATCHING",
    "oidc-client-bound": "AUTHORIZATION_PATTERN_MATCHING",
}
"""Rules of the AuthPolicy and their types."""
TALLIES = {
    "auth_server_evaluator_total": "Evaluations of a rule.",
    "auth_server_evaluator_cancelled": "Evaluations that were cancelled, because nobody waits for them any more.",
    "auth_server_evaluator_ignored": "Evaluations that gave nothing, because what they asked did not answer.",
    "auth_server_evaluator_denied": "Evaluations that denied the request.",
}


class AuthMetrics:
    """All series of the process."""

    def __init__(self) -> None:
        self._answers: Tally[int] = Tally()
        self._by_gateway: dict[str, Tally[int]] = {}
        self._durations = Histogram()
        self._evaluated = {name: Tally[Labels]() for name in TALLIES}
        self._evaluating = Histogram()
        self._gateways: dict[str, Labels] = {}

    def answered(self, gateway: str, status: int, seconds: float) -> None:
        """Count an answer for a gateway (NAMESPACE/NAME, empty when unknown); `seconds` it took, 0 from memory."""
        self._answers[status] += 1
        self._by_gateway.setdefault(gateway, Tally())[status] += 1
        self._durations.observe(self._labels(gateway), seconds)

    @property
    def answers(self) -> dict[int, int]:
        """Answers by HTTP status."""
        return dict(self._answers)

    def denied(self, gateway: str, rule: str) -> None:
        """A rule denied a request."""
        self._evaluated["auth_server_evaluator_denied"][self._rule(gateway, rule)] += 1

    @contextlib.contextmanager
    def evaluating(self, gateway: str, rule: str) -> Iterator[None]:
        """Count and time the evaluation of a rule in the block."""
        labels = self._rule(gateway, rule)
        started = time.perf_counter()
        self._evaluated["auth_server_evaluator_total"][labels] += 1
        try:
            yield
        except asyncio.CancelledError:
            self._evaluated["auth_server_evaluator_cancelled"][labels] += 1
            raise
        except UnavailableError:
            self._evaluated["auth_server_evaluator_ignored"][labels] += 1
            raise
        finally:
            self._evaluating.observe(labels, time.perf_counter() - started)

    def text(self) -> str:
        """Prometheus text."""
        return exposition(self._families())

    def _families(self) -> Iterator[Family]:
        yield tallied(
            "auth_server_response_status",
            "Answers by status.",
            {(("status", code(status)),): count for status, count in self._answers.items()},
        )
        yield tallied(
            "auth_server_authconfig_total",
            "Requests by the gateway whose policy decided.",
            {self._labels(gateway): tally.total() for gateway, tally in self._by_gateway.items()},
        )
        yield tallied(
            "auth_server_authconfig_response_status",
            "Answers by gateway and status.",
            {
                (*self._labels(gateway), ("status", code(status))): count
                for gateway, tally in self._by_gateway.items()
                for status, count in tally.items()
            },
        )
        yield self._durations.family("auth_server_authconfig_duration_seconds", "Seconds until an answer.")
        for name, text in TALLIES.items():
            yield tallied(name, text, self._evaluated[name])
        yield self._evaluating.family("auth_server_evaluator_duration_seconds", "Seconds that a rule took.")

    def _labels(self, gateway: str) -> Labels:
        known = self._gateways.get(gateway)
        if known is None:
            namespace, _, name = gateway.partition("/")
            known = self._gateways[gateway] = (("namespace", namespace), ("authconfig", name))
        return known

    def _rule(self, gateway: str, rule: str) -> Labels:
        return (*self._labels(gateway), ("evaluator_type", EVALUATORS[rule]), ("evaluator_name", rule))


class Rules:
    """The same for the rules of one gateway."""

    def __init__(self, metrics: AuthMetrics, gateway: str) -> None:
        self._metrics = metrics
        self._gateway = gateway

    def denied(self, rule: str) -> None:
        """A rule denied a request."""
        self._metrics.denied(self._gateway, rule)

    def evaluating(self, rule: str) -> contextlib.AbstractContextManager[None]:
        """Count and time the evaluation of a rule in the block."""
        return self._metrics.evaluating(self._gateway, rule)


def code(status: int) -> str:
    """What an HTTP status is called."""
    return CODES.get(status, str(status))
