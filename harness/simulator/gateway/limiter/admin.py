"""The limiter's administrative endpoints, HTTP and JSON."""

import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.simulator.exposition import CONTENT_TYPE
from harness.simulator.gateway.limiter.admission import Admission
from harness.simulator.gateway.limiter.limits import LimitSet
from harness.simulator.gateway.limiter.metrics import TokenMetrics
from harness.simulator.gateway.limiter.shared import OpenWindow, SharedStoreError
from harness.simulator.gateway.predicate import InvalidExpressionError, compiled

LOG = logging.getLogger("limiter")
Windows = Callable[[], Awaitable[list[OpenWindow]]]
Advance = Callable[[str, float], Awaitable[None]]


class ClockAdvance(BaseModel):
    """Let time pass for one subscription's counters."""

    model_config = ConfigDict(extra="forbid")
    seconds: float = Field(gt=0, le=400 * 86_400)
    subscription: str = Field(pattern=r"^[^/]+/[^/]+$", description="NAMESPACE/NAME")


class Admin:
    """Handlers over one limiter. `instance` changes with every start, so whoever sent the limits learns that they are gone."""

    def __init__(self, admission: Admission, metrics: TokenMetrics, windows: Windows, advance: Advance | None) -> None:
        self._admission = admission
        self._metrics = metrics
        self._windows = windows
        self._advance = advance
        self._instance = uuid.uuid4().hex
        self._started = time.time()

    def app(self) -> Starlette:
        """The application."""
        routes = [
            Route("/metrics", self.show_metrics, methods=["GET"]),
            Route("/limits", self.show_limits, methods=["GET"]),
            Route("/limits", self.put_limits, methods=["PUT"]),
            Route("/counters", self.show_counters, methods=["GET"]),
            Route("/status", self.show_status, methods=["GET"]),
        ]
        if self._advance is not None:
            routes.append(Route("/clock/advance", self.advance_clock, methods=["POST"]))
        return Starlette(routes=routes)

    async def show_metrics(self, _request: Request) -> Response:
        """Prometheus text."""
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)

    async def show_status(self, _request: Request) -> Response:
        """Which process this is, since when, and which revision of the limits is in force (0: none yet)."""
        return JSONResponse(
            {
                "instance": self._instance,
                "started_at": self._started,
                "revision": self._admission.revision,
                "status": "ok",
            }
        )

    async def put_limits(self, request: Request) -> Response:
        """Replace the whole set; the answer means that it is in force. An invalid set changes nothing."""
        try:
            parsed = LimitSet.model_validate_json(await request.body())
            limits = parsed.limits()
            for group in limits.values():
                for limit in group:
                    for text in (*limit.conditions, *limit.variables):
                        compiled(text)
        except (ValidationError, InvalidExpressionError) as error:
            return refusal(422, "limits", error)
        revision = self._admission.replace(limits)
        self._metrics.label(parsed.labels)
        count = sum(len(group) for group in limits.values())
        LOG.info("limits in force: revision %d, %d limits of %d routes", revision, count, len(limits))
        return JSONResponse({"instance": self._instance, "revision": revision, "limits": count, "domains": len(limits)})

    async def show_limits(self, _request: Request) -> Response:
        """What is in force, by domain."""
        domains: dict[str, list[dict[str, Any]]] = {}
        for domain, group in self._admission.limits.items():
            domains[domain] = [
                {
                    "policy": limit.policy,
                    "name": limit.name,
                    "max_value": limit.max_value,
                    "seconds": limit.seconds,
                    "conditions": list(limit.conditions),
                    "variables": list(limit.variables),
                }
                for limit in group
            ]
        return JSONResponse({"domains": domains})

    async def show_counters(self, _request: Request) -> Response:
        """Every open window: what was used and when it ends."""
        maxima = {limit.identity: limit.max_value for group in self._admission.limits.values() for limit in group}
        items = []
        try:
            windows = await self._windows()
        except SharedStoreError as error:
            return JSONResponse({"error": f"counters: {error}"}, status_code=503)
        for window in windows:
            identity, values = window.key
            domain, policy, name, seconds, variables = identity
            if (maximum := maxima.get(identity)) is None:
                continue
            items.append(
                {
                    "domain": domain,
                    "policy": policy,
                    "limit": name,
                    "seconds": seconds,
                    "variables": dict(zip(variables, values, strict=True)),
                    "subscription": window.subscription,
                    "max_value": maximum,
                    "used": window.used,
                    "remaining": max(maximum - window.used, 0),
                    "expires_in_seconds": round(window.left, 3),
                }
            )
        return JSONResponse({"counters": items})

    async def advance_clock(self, request: Request) -> Response:
        """Let time pass for one subscription."""
        try:
            wish = ClockAdvance.model_validate_json(await request.body())
        except ValidationError as error:
            return refusal(422, "clock/advance", error)
        if self._advance is not None:
            await self._advance(wish.subscription, wish.seconds)
        return JSONResponse({"subscription": wish.subscription, "advanced_seconds": wish.seconds})


def refusal(status: int, what: str, error: ValidationError | InvalidExpressionError) -> Response:
    """One sentence about what was expected and what came."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        text = f"{what}: {where}: {first['msg']}"
    else:
        text = f"{what}: {error}"
    return JSONResponse({"error": text}, status_code=status)
