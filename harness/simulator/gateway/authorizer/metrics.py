"""Series of the authorizer under Authorino's names: whole answers, and what each rule of a gateway's AuthPolicy had to do.

A rule counts when it is really evaluated; an answer that is repeated from memory counts as an answer alone.
"""

import asyncio
import contextlib
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from harness.simulator.exposition import Family, Histogram, Labels, exposition, tallied
from harness.simulator.gateway.authorizer.decision import UnavailableError

Name = TypeVar("Name")
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
        self._answers: dict[tuple[str, int], int] = {}
        self._repeated: dict[tuple[str, int], int] = {}
        self._durations = Histogram()
        self._evaluated = {name: Tally[Labels]() for name in TALLIES}
        self._evaluating = Histogram()
        self._gateways: dict[str, Labels] = {}

    def repeated(self, gateway: str, status: int) -> None:
        """Count an answer from memory, which took no time; a busy gateway has few others, so this does as little as it can."""
        key = (gateway, status)
        self._repeated[key] = self._repeated.get(key, 0) + 1

    def answered(self, gateway: str, status: int, seconds: float) -> None:
        """Count an answer for a gateway (NAMESPACE/NAME, empty when unknown), and the seconds it took."""
        key = (gateway, status)
        self._answers[key] = self._answers.get(key, 0) + 1
        self._durations.observe(self._labels(gateway), seconds)

    @property
    def answers(self) -> dict[int, int]:
        """Answers by HTTP status."""
        return by(self._settled(), lambda key: key[1])

    def _settled(self) -> dict[tuple[str, int], int]:
        """All answers, those from memory among them from now on, each as one that took no time."""
        for key, count in self._repeated.items():
            self._answers[key] = self._answers.get(key, 0) + count
            self._durations.observe(self._labels(key[0]), 0.0, count)
        self._repeated.clear()
        return self._answers

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
        answers = self._settled()
        yield tallied(
            "auth_server_response_status", "Answers by status.", by(answers, lambda key: (("status", code(key[1])),))
        )
        yield tallied(
            "auth_server_authconfig_total",
            "Requests by the gateway whose policy decided.",
            by(answers, lambda key: self._labels(key[0])),
        )
        yield tallied(
            "auth_server_authconfig_response_status",
            "Answers by gateway and status.",
            by(answers, lambda key: (*self._labels(key[0]), ("status", code(key[1])))),
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


def by(answers: Mapping[tuple[str, int], int], name: Callable[[tuple[str, int]], Name]) -> dict[Name, int]:
    """The counts of gateway and status, joined under what `name` makes of them."""
    joined: dict[Name, int] = {}
    for key, count in answers.items():
        joined[name(key)] = joined.get(name(key), 0) + count
    return joined


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
