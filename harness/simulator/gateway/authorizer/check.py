"""Envoy's external authorization protocol (v3) on the authorizer's decisions."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2
from envoy.type.v3 import http_status_pb2
from google.protobuf import struct_pb2
from google.rpc import code_pb2, status_pb2

from harness.simulator.gateway.authorizer.cache import Fresh
from harness.simulator.gateway.authorizer.credentials import digest
from harness.simulator.gateway.authorizer.decision import (
    CREDENTIAL_HEADERS,
    Admission,
    Decision,
    Refusal,
    UnavailableError,
)
from harness.simulator.gateway.authorizer.metrics import AuthMetrics
from harness.simulator.gateway.authorizer.request import AccessRequest
from harness.simulator.gateway.caller import FIELD, Caller

LOG = logging.getLogger("authorizer")
BODY_METADATA = "maas.req"
CHALLENGES = ('Bearer realm="api-keys"', 'Bearer realm="openshift-identities"')
REQUEST_ID = "x-request-id"
OVERWRITE = base_pb2.HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
APPEND = base_pb2.HeaderValueOption.HeaderAppendAction.APPEND_IF_EXISTS_OR_ADD
UNAVAILABLE = Refusal(503, "authorization unavailable", "The authorization service is unavailable; try again later.\n")
MEMO_SIZE = 20_000
OK_STATUS = 200
LOGGED = ("userid", "selected_subscription_key", "key_id")
"""What the access log shows, each a key of Envoy's metadata: they cost every request, so the rest of an identity travels as one text."""
IDENTITY = ("userid", "selected_subscription_key")
LABELS = ("cost_center", "organization_id", "group")
Question = tuple[str, str, str, str, str, tuple[tuple[str, str | bytes], ...]]


class Decider(Protocol):
    """Decides about requests."""

    def decide(self, request: AccessRequest) -> Awaitable[Fresh[Decision]]:
        """The decision and how long it may be repeated. Raises UnavailableError, at once or when awaited."""


def read(message: bytes) -> AccessRequest:
    """The question of one CheckRequest."""
    attributes = external_auth_pb2.CheckRequest.FromString(message).attributes
    http = attributes.request.http
    body = attributes.metadata_context.filter_metadata.get(BODY_METADATA)
    model = body.fields["model"].string_value if body is not None and "model" in body.fields else ""
    headers = {name: value for name, value in http.headers.items() if not name.startswith(":")}
    request_id = headers.pop(REQUEST_ID, "")  # no part of the question: the answer to it can be repeated
    named = attributes.context_extensions
    route, gateway = named.get("route", ""), named.get("gateway", "")
    return AccessRequest(http.method, http.path, headers, model, route, gateway, request_id)


def header(name: str, value: str, action: int) -> Any:
    """One header for Envoy to set."""
    return base_pb2.HeaderValueOption(header=base_pb2.HeaderValue(key=name, value=value), append_action=action)


def refused(refusal: Refusal) -> bytes:
    """A denied response."""
    headers = [header("X-Ext-Auth-Reason", refusal.reason, OVERWRITE)]
    if refusal.status == http_status_pb2.Unauthorized:
        headers += [header("WWW-Authenticate", challenge, APPEND) for challenge in CHALLENGES]
    if refusal.body:
        headers.append(header("content-type", "text/plain", OVERWRITE))
    denied = external_auth_pb2.DeniedHttpResponse(
        status=http_status_pb2.HttpStatus(code=refusal.status), headers=headers, body=refusal.body
    )
    code = code_pb2.UNAUTHENTICATED if refusal.status == http_status_pb2.Unauthorized else code_pb2.PERMISSION_DENIED
    answer = external_auth_pb2.CheckResponse(status=status_pb2.Status(code=code), denied_response=denied)
    return bytes(answer.SerializeToString())


def caller_of(admission: Admission, model: str) -> Caller:
    """Whom the limiter shall charge; `model` is the body's, a label of what was charged."""
    known = {key: value for key, value in admission.metadata.items() if value and isinstance(value, str)}
    labels = {name: known[name] for name in LABELS if name in known} | ({"model": model} if model else {})
    return Caller({name: known[name] for name in IDENTITY if name in known}, known.get("request_path", ""), labels)


def admitted(admission: Admission, model: str) -> bytes:
    """An OK response with metadata and header changes."""
    metadata = struct_pb2.Struct()
    metadata.update({key: admission.metadata[key] for key in LOGGED if admission.metadata.get(key)})
    metadata[FIELD] = caller_of(admission, model).text()
    ok = external_auth_pb2.OkHttpResponse(
        headers=[header(name, value, OVERWRITE) for name, value in admission.set_headers.items()],
        headers_to_remove=list(admission.remove_headers),
    )
    answer = external_auth_pb2.CheckResponse(
        status=status_pb2.Status(code=code_pb2.OK), ok_response=ok, dynamic_metadata=metadata
    )
    return bytes(answer.SerializeToString())


class CheckMethod:
    """The method `envoy.service.auth.v3.Authorization/Check`, bytes to bytes; repeats an answer while its parts are fresh."""

    def __init__(
        self,
        authorizer: Decider,
        metrics: AuthMetrics,
        ttl: float = float("inf"),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ttl`: seconds for which a whole answer is repeated at most, 0: never."""
        self._authorizer = authorizer
        self._metrics = metrics
        self._ttl = ttl
        self._now = now
        self._memo: dict[Question, Fresh[tuple[bytes, int]]] = {}

    def __call__(self, message: bytes) -> bytes | Awaitable[bytes]:
        """Answer at once from memory, else later."""
        request = read(message)
        question = key_of(request)
        known = self._memo.get(question)
        if known is not None and known.until > self._now():
            answer, status = known.value
            self._metrics.repeated(request.gateway, status)
            if status != OK_STATUS:
                LOG.info("refused %s: %d, as just before", told(request), status)
            return answer
        return self._decide(question, request)

    async def _decide(self, question: Question, request: AccessRequest) -> bytes:
        asked, started = self._now(), time.perf_counter()
        try:
            decision: Fresh[Decision] = await self._authorizer.decide(request)
        except UnavailableError as error:
            LOG.warning("refused %s: %s", told(request), error)
            self._metrics.answered(request.gateway, UNAVAILABLE.status, time.perf_counter() - started)
            return refused(UNAVAILABLE)
        value = decision.value
        answer = refused(value) if isinstance(value, Refusal) else admitted(value, request.model)
        status = value.status if isinstance(value, Refusal) else OK_STATUS
        if isinstance(value, Refusal):
            LOG.info("refused %s: %d %s", told(request), status, value.reason)
        self._metrics.answered(request.gateway, status, time.perf_counter() - started)
        if self._ttl > 0:
            self._remember(question, Fresh((answer, status), min(decision.until, asked + self._ttl)))
        return answer

    def _remember(self, question: Question, answer: Fresh[tuple[bytes, int]]) -> None:
        if len(self._memo) >= MEMO_SIZE:
            self._memo.clear()
        self._memo[question] = answer


def told(request: AccessRequest) -> str:
    """A request in a line of the log: its id, and nothing that could hold a credential."""
    return f"{request.request_id or '-'} {request.method} {request.bare_path}"


def key_of(request: AccessRequest) -> Question:
    """Everything a decision depends on, credentials as digests."""
    headers = tuple(
        (name, digest(value) if name in CREDENTIAL_HEADERS else value) for name, value in request.headers.items()
    )
    return request.method, request.path, request.model, request.route, request.gateway, headers
