"""Envoy's rate limit service protocol (v3) on the limiter's decisions.

A descriptor carries `phase` (check or report), `auth.identity.userid` and `auth.identity.selected_subscription_key`, which predicates
and counters may name, `request.path`, and `label.*` entries that become labels of the metrics, beside the labels `user` and
`subscription`. A report's tokens are the descriptor's `hits_addend`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from envoy.service.ratelimit.v3 import rls_pb2

from harness.simulator.gateway.limiter.admission import SUBSCRIPTION_KEY, Admission, Subject, UnknownDomainError
from harness.simulator.gateway.unary import INVALID_ARGUMENT, UNAVAILABLE, GrpcError

IDENTITY = "auth.identity."
LABEL = "label."
OK: bytes = rls_pb2.RateLimitResponse(overall_code=rls_pb2.RateLimitResponse.OK).SerializeToString()
OVER_LIMIT: bytes = rls_pb2.RateLimitResponse(
    overall_code=rls_pb2.RateLimitResponse.OVER_LIMIT, raw_body=b"Too Many Requests\n"
).SerializeToString()


def read(domain: str, descriptor: Any) -> tuple[str, Subject, dict[str, str]]:
    """Phase, subject and labels of one descriptor."""
    phase, path = "", ""
    identity: list[tuple[str, str]] = []
    labels: dict[str, str] = {}
    for entry in descriptor.entries:
        key: str = entry.key
        value: str = entry.value
        if key.startswith(IDENTITY):
            identity.append((key[len(IDENTITY) :], value))
        elif key.startswith(LABEL):
            labels[key[len(LABEL) :]] = value
        elif key == "phase":
            phase = value
        elif key == "request.path":
            path = value
    subject = Subject(domain, tuple(identity), path)
    return phase, subject, who(subject.fields()) | labels


def who(identity: Mapping[str, str]) -> dict[str, str]:
    """The labels `user` and `subscription` (its name alone), as far as the identity is known."""
    labels = {"user": identity["userid"]} if "userid" in identity else {}
    subscription = identity.get(SUBSCRIPTION_KEY, "").partition("@")[0].rpartition("/")[2]
    return labels | ({"subscription": subscription} if subscription else {})


def should_rate_limit(admission: Admission) -> Callable[[bytes], bytes]:
    """The method `envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit`, bytes to bytes."""

    def handle(message: bytes) -> bytes:
        request = rls_pb2.RateLimitRequest.FromString(message)
        if not request.domain:
            raise GrpcError(INVALID_ARGUMENT, "expected a domain, NAMESPACE/NAME of the route; the request has none")
        answer = OK
        for descriptor in request.descriptors:
            phase, subject, labels = read(request.domain, descriptor)
            try:
                if phase == "report":
                    admission.report(subject, descriptor.hits_addend.value, labels)
                elif not admission.check(subject, labels).allowed:
                    answer = OVER_LIMIT
            except UnknownDomainError as error:
                raise GrpcError(UNAVAILABLE, str(error)) from error
        return answer

    return handle
