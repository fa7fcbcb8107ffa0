"""`python -m harness.simulator.gateway`: the gateway controller and its Envoy as a process."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

import uvloop
from lightkube import KubeConfig
from lightkube.core.exceptions import ConfigError

from harness.simulator import component
from harness.simulator.gateway import options
from harness.simulator.gateway.controller import ACCESS_LOG, Controller
from harness.simulator.gateway.envoy_config.bootstrap import bootstrap
from harness.simulator.gateway.envoy_config.filters import USUAL, Guarding
from harness.simulator.gateway.envoy_files import EnvoyFiles, NotAcknowledgedError
from harness.simulator.gateway.envoy_process import Envoy
from harness.simulator.gateway.latency import scraped
from harness.simulator.gateway.limits_client import LimiterUnavailableError, LimitsClient
from harness.simulator.gateway.plan.plan import Endpoint
from harness.simulator.gateway.ports import Ports
from harness.simulator.gateway.statuses import Statuses
from harness.simulator.gateway.watch import Cluster
from harness.simulator.transport import kubernetes_client
from harness.simulator.web import serving


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = options.parser("", "The gateway: Envoy, configured from Gateway API objects and policies.")
    line.add_argument("--kubeconfig", type=Path, required=True)
    line.add_argument("--dir", type=Path, required=True, help="where Envoy's files, access.log and gateway-ca.crt go")
    line.add_argument("--authorizer", required=True, metavar="HOST:PORT", help="the authorizer's gRPC endpoint")
    line.add_argument("--limiter", required=True, metavar="HOST:PORT", help="the limiter's gRPC endpoint")
    line.add_argument("--limiter-admin", required=True, metavar="URL", help="the limiter's administrative endpoint")
    line.add_argument("--listen", action="append", required=True, metavar="NAMESPACE/GATEWAY/LISTENER=HOST:PORT")
    line.add_argument(
        "--listen-any",
        metavar="HOST",
        help="serve listeners of Gateways that appear later too, on a free port of HOST each (their annotation and status say which)",
    )
    line.add_argument(
        "--advertise",
        action="append",
        default=[],
        metavar="NAMESPACE/GATEWAY/LISTENER=URL",
        help="where callers reach a listener, when that is not where it listens (behind a Service or a port mapping)",
    )
    line.add_argument(
        "--admission",
        choices=options.ADMISSIONS,
        default="check-then-report",
        help="the limiter's admission model; give both the same",
    )
    for name, seconds in (("authorizer", USUAL.authorizer_s), ("limiter", USUAL.limiter_s)):
        line.add_argument(
            f"--{name}-patience",
            type=options.patience,
            default=seconds,
            metavar="S",
            help=f"how long a request waits for the {name}",
        )
    line.add_argument(
        "--concurrency", type=int, default=1, help="Envoy's worker threads; with one, sequential accounting is exact"
    )
    line.add_argument(
        "--metrics-bind",
        default="127.0.0.1:0",
        metavar="HOST:PORT",
        help="where /metrics listens (durations by subscription)",
    )
    line.add_argument("--envoy-log-level", default="error", help="Envoy's own log level")
    return line


def listen_option(text: str) -> tuple[Endpoint, tuple[str, int]]:
    """`NAMESPACE/GATEWAY/LISTENER=HOST:PORT`. Raises ConfigurationError."""
    name, _, where = text.partition("=")
    parts = name.split("/")
    if len(parts) != 3 or not all(parts):
        raise options.ConfigurationError(f"expected --listen NAMESPACE/GATEWAY/LISTENER=HOST:PORT, got {text!r}")
    return (parts[0], parts[1], parts[2]), options.address(where)


def advertise_option(text: str) -> tuple[Endpoint, str]:
    """`NAMESPACE/GATEWAY/LISTENER=URL`. Raises ConfigurationError."""
    name, _, url = text.partition("=")
    parts = name.split("/")
    if len(parts) != 3 or not all(parts) or not url.startswith(("http://", "https://")):
        raise options.ConfigurationError(f"expected --advertise NAMESPACE/GATEWAY/LISTENER=URL, got {text!r}")
    return (parts[0], parts[1], parts[2]), url.rstrip("/")


async def run(arguments: argparse.Namespace) -> None:
    """Serve until asked to stop."""
    wanted = dict(listen_option(item) for item in arguments.listen)
    advertised = dict(advertise_option(item) for item in arguments.advertise)
    try:
        client = kubernetes_client(KubeConfig.from_file(arguments.kubeconfig))
    except (ConfigError, OSError) as error:
        raise options.ConfigurationError(f"expected a kubeconfig at {arguments.kubeconfig}: {error}") from error
    directory = prepared_directory(arguments)
    ports = Ports(wanted, arguments.listen_any)
    cluster = Cluster(client)
    envoy = Envoy(directory, arguments.concurrency, arguments.envoy_log_level)
    files, limits = EnvoyFiles(directory, envoy), LimitsClient(arguments.limiter_admin)
    try:
        async with asyncio.TaskGroup() as group:
            background: list[asyncio.Task[None]] = cluster.start(group)
            await cluster.synced()
            controller = Controller(
                directory,
                ports,
                advertised,
                cluster,
                files,
                limits,
                Statuses(client, cluster.of),
                Guarding(
                    arguments.admission != "check-then-report",
                    arguments.authorizer_patience,
                    arguments.limiter_patience,
                ),
            )
            controller.prepare()
            await envoy.start()
            try:
                _, plan = await controller.enforce()
            except (LimiterUnavailableError, NotAcknowledgedError) as error:
                raise options.ConfigurationError(str(error)) from error
            background += [
                group.create_task(work) for work in (controller.follow(), controller.watch_limiter(), envoy.supervise())
            ]
            urls = {"/".join(item): url for item, url in controller.urls(plan).items()}
            scrapes = component.listen(*options.address(arguments.metrics_bind))
            urls |= {"admin": envoy.admin, "metrics": f"http://{component.address(scrapes)}/metrics"}
            async with serving(scraped(directory / ACCESS_LOG, envoy.admin), scrapes):
                component.announce(arguments.ready_file, urls)
                await component.until_stopped()
            for task in background:
                task.cancel()
    finally:
        await envoy.stop()
        await limits.close()
        ports.close()


def prepared_directory(arguments: argparse.Namespace) -> Path:
    """The folder of Envoy's files, with its bootstrap in it."""
    directory: Path = arguments.dir.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    services = options.address(arguments.authorizer), options.address(arguments.limiter)
    (directory / "bootstrap.json").write_text(json.dumps(bootstrap(directory, *services)), encoding="utf-8")
    return directory


def main() -> int:
    """Exit codes: 0 stopped as asked, 2 usage, 3 the environment is not ready."""
    arguments = parser().parse_args()
    options.start_logging(arguments.log_level)
    return options.exit_code("gateway", lambda: uvloop.run(run(arguments)))


if __name__ == "__main__":
    sys.exit(main())
