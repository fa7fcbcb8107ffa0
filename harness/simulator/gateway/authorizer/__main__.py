"""`python -m harness.simulator.gateway.authorizer`: the authorizer as a process."""

import argparse
import sys
from pathlib import Path

import httpx
import uvloop
from lightkube import AsyncClient, KubeConfig
from lightkube.core.exceptions import ConfigError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from harness.simulator import component
from harness.simulator.gateway import options
from harness.simulator.gateway.authorizer.check import CheckMethod, metrics_text, statuses
from harness.simulator.gateway.authorizer.credentials import Credentials
from harness.simulator.gateway.authorizer.decision import Authorizer
from harness.simulator.gateway.authorizer.maas_api import MaasApi
from harness.simulator.gateway.authorizer.tokens import ClusterTokens
from harness.simulator.gateway.grpc_server import grpc_serving
from harness.simulator.gateway.web import serving

AUDIENCE = "https://kubernetes.default.svc"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = options.parser("authorizer", "Authentication and access control behind Envoy's ext_authz (v3).")
    line.add_argument(
        "--admin-bind", default="127.0.0.1:0", metavar="HOST:PORT", help="where /metrics and /status listen"
    )
    line.add_argument("--kubeconfig", type=Path, required=True, help="for TokenReview")
    line.add_argument("--maas-api", required=True, metavar="URL", help="where maas-api's internal calls go")
    line.add_argument("--maas-api-ca", type=Path, help="CA certificate of an https --maas-api; default: the system's")
    line.add_argument("--audience", default=AUDIENCE, help="audience that tokens must carry")
    line.add_argument(
        "--cache-ttl",
        type=float,
        default=2.0,
        metavar="SECONDS",
        help="how long an answer is repeated: the bound within which a revoked key or a withdrawn policy is refused; 0: never repeated",
    )
    line.add_argument(
        "--quirks", choices=("none", "upstream"), default="none", help="reproduce what upstream lets through"
    )
    return line


def admin(tally: dict[int, int]) -> Starlette:
    """The administrative endpoint."""

    async def metrics(_request: Request) -> Response:
        return PlainTextResponse(metrics_text(tally), media_type="text/plain; version=0.0.4")

    async def status(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "answers": {str(key): number for key, number in tally.items()}})

    return Starlette(routes=[Route("/metrics", metrics), Route("/status", status)])


async def run(arguments: argparse.Namespace) -> None:
    """Serve until asked to stop."""
    try:
        cluster = AsyncClient(config=KubeConfig.from_file(arguments.kubeconfig), trust_env=False)
    except (ConfigError, OSError) as error:
        raise options.ConfigurationError(f"expected a kubeconfig at {arguments.kubeconfig}: {error}") from error
    verify = str(arguments.maas_api_ca) if arguments.maas_api_ca else True
    timeout = httpx.Timeout(1.5, connect=1.0)
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(
        base_url=arguments.maas_api, timeout=timeout, limits=limits, verify=verify, trust_env=False
    ) as http:
        maas_api = MaasApi(http, arguments.cache_ttl)
        credentials = Credentials(maas_api, ClusterTokens(cluster, arguments.audience), arguments.cache_ttl)
        tally, count = statuses()
        check = CheckMethod(Authorizer(credentials, maas_api, arguments.quirks == "upstream"), count)
        grpc_socket = component.listen(*options.address(arguments.bind))
        admin_socket = component.listen(*options.address(arguments.admin_bind))
        async with grpc_serving(check, grpc_socket), serving(admin(tally), admin_socket):
            component.announce(
                arguments.ready_file,
                {"grpc": component.address(grpc_socket), "admin": f"http://{component.address(admin_socket)}"},
            )
            await component.until_stopped()


def main() -> int:
    """Exit codes: 0 stopped as asked, 2 usage, 3 the environment is not ready."""
    arguments = parser().parse_args()
    options.start_logging(arguments.log_level)
    return options.exit_code("authorizer", lambda: uvloop.run(run(arguments)))


if __name__ == "__main__":
    sys.exit(main())
