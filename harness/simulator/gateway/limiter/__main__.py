"""`python -m harness.simulator.gateway.limiter`: the limiter as a process."""

import argparse
import sys
from dataclasses import dataclass

import uvloop

from harness.simulator import component
from harness.simulator.gateway import options, quirks
from harness.simulator.gateway.grpc_server import grpc_serving
from harness.simulator.gateway.limiter.admin import Admin, Advance, Windows
from harness.simulator.gateway.limiter.admission import Admission
from harness.simulator.gateway.limiter.counters import Counters, SubscriptionClock
from harness.simulator.gateway.limiter.descriptor import should_rate_limit, should_rate_limit_shared
from harness.simulator.gateway.limiter.holds import Holds
from harness.simulator.gateway.limiter.metrics import TokenMetrics
from harness.simulator.gateway.limiter.quirks import Quirk
from harness.simulator.gateway.limiter.shared import OpenWindow, SharedCounters, SharedStoreError, in_memory
from harness.simulator.gateway.limiter.shared_holds import SharedHolds
from harness.simulator.gateway.unary import Handler
from harness.simulator.web import serving


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = options.parser("limiter", "Token limits behind Envoy's rate limit service (RLS v3).")
    line.add_argument(
        "--admin-bind",
        default="127.0.0.1:0",
        metavar="HOST:PORT",
        help="where the administrative HTTP endpoint listens",
    )
    line.add_argument(
        "--no-clock", action="store_true", help="leave POST /clock/advance out (a limiter whose time nobody may move)"
    )
    line.add_argument(
        "--redis", metavar="URL", help="keep counters in Redis, shared with the limiters of other gateways"
    )
    line.add_argument(
        "--admission",
        choices=options.ADMISSIONS,
        default="check-then-report",
        help="check-then-report: a request starts while any token is left; reservation: it holds what it may generate until it is done; "
        "estimate: it starts when what it may generate is left, and holds nothing",
    )
    line.add_argument(
        "--hold",
        type=int,
        default=256,
        metavar="TOKENS",
        help="what a request is taken to need that names no max_tokens (reservation, estimate)",
    )
    line.add_argument(
        "--quirks",
        type=quirks.option(Quirk),
        default="none",
        help="none, upstream, or requirement ids: with any, whoever no limit names is unlimited",
    )
    return line


@dataclass(frozen=True, slots=True)
class Parts:
    """What serves: the method, and what the administrative endpoint needs of the counters."""

    method: Handler
    admission: Admission
    windows: Windows
    advance: Advance


def ahead(arguments: argparse.Namespace) -> int | None:
    """What a request without a maximum is taken to need; None in the model that does not look ahead."""
    return None if arguments.admission == "check-then-report" else int(arguments.hold)


def local(arguments: argparse.Namespace, metrics: TokenMetrics) -> Parts:
    """Counters in this process."""
    clock = SubscriptionClock()
    counters = Counters(clock)
    holds = Holds() if arguments.admission == "reservation" else None
    admission = Admission(counters, metrics, holds, unnamed_pass=bool(arguments.quirks))

    async def windows() -> list[OpenWindow]:
        return in_memory(counters.open_windows())

    async def advance(subscription: str, seconds: float) -> None:
        clock.advance(subscription, seconds)

    return Parts(should_rate_limit(admission, ahead(arguments)), admission, windows, advance)


async def in_redis(shared: SharedCounters, arguments: argparse.Namespace, metrics: TokenMetrics) -> Parts:
    """Counters in Redis. Raises ConfigurationError when it does not answer."""
    try:
        await shared.ready()
    except SharedStoreError as error:
        raise options.ConfigurationError(f"--redis: {error}") from error
    admission = Admission(Counters(SubscriptionClock()), metrics, unnamed_pass=bool(arguments.quirks))
    holds = SharedHolds(shared, keep=arguments.admission == "reservation")
    method = should_rate_limit_shared(admission, shared, holds, ahead(arguments))
    return Parts(method, admission, shared.windows, shared.advance)


async def run(arguments: argparse.Namespace) -> None:
    """Serve until asked to stop."""
    metrics = TokenMetrics()
    shared = SharedCounters(arguments.redis, metrics) if arguments.redis else None
    if shared:
        parts = await in_redis(shared, arguments, metrics)
    else:
        parts = local(arguments, metrics)
    admin = Admin(parts.admission, metrics, parts.windows, None if arguments.no_clock else parts.advance)
    grpc_socket = component.listen(*options.address(arguments.bind))
    admin_socket = component.listen(*options.address(arguments.admin_bind))
    async with grpc_serving(parts.method, grpc_socket), serving(admin.app(), admin_socket):
        component.announce(
            arguments.ready_file,
            {"grpc": component.address(grpc_socket), "admin": f"http://{component.address(admin_socket)}"},
        )
        await component.until_stopped()
    if shared:
        await shared.close()


def main() -> int:
    """Exit codes: 0 stopped as asked, 2 usage, 3 a port is taken."""
    arguments = parser().parse_args()
    options.start_logging(arguments.log_level)
    return options.exit_code("limiter", lambda: uvloop.run(run(arguments)))


if __name__ == "__main__":
    sys.exit(main())
