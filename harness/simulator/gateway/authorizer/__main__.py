"""`python -m harness.simulator.gateway.authorizer`: the authorizer as a process."""

import argparse
import logging
import ssl
import sys
from pathlib import Path

import uvloop
from lightkube import KubeConfig
from lightkube.core.exceptions import ConfigError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.simulator import component
from harness.simulator.exposition import CONTENT_TYPE
from harness.simulator.gateway import options, quirks
from harness.simulator.gateway.authorizer.check import CheckMethod
from harness.simulator.gateway.authorizer.deciders import Deciders, Policy, Trust
from harness.simulator.gateway.authorizer.instances import Instances
from harness.simulator.gateway.authorizer.metrics import AuthMetrics
from harness.simulator.gateway.authorizer.quirks import Quirk
from harness.simulator.gateway.authorizer.seen import Seen
from harness.simulator.gateway.grpc_server import grpc_serving
from harness.simulator.transport import kubernetes_client
from harness.simulator.web import serving

LOG = logging.getLogger("authorizer")
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
    line.add_argument("--oidc-ca", type=Path, help="CA certificate of the tenants' OIDC issuers; default: the system's")
    line.add_argument("--audience", default=AUDIENCE, help="audience that tokens must carry")
    line.add_argument(
        "--metadata-cache-ttl",
        "--cache-ttl",
        dest="metadata_ttl",
        type=seconds,
        default=2.0,
        metavar="SECONDS",
        help="how long an answer about a credential or a subscription is repeated: the bound within which a revoked key or a "
        "withdrawn policy is refused; 0: never repeated",
    )
    line.add_argument(
        "--authz-cache-ttl",
        dest="authz_ttl",
        type=seconds,
        metavar="SECONDS",
        help="how long a whole decision is repeated, no longer than what it rests on; 0: never; default: --metadata-cache-ttl",
    )
    line.add_argument(
        "--quirks",
        type=quirks.option(Quirk),
        default="none",
        help="none, upstream, or requirement ids: repeat its weaknesses",
    )
    return line


def seconds(text: str) -> float:
    """A time to live. Raises ArgumentTypeError for what is none."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected seconds, 0 or more, got {text!r}")
    return value


def trusted(option: str, path: Path | None) -> ssl.SSLContext | bool:
    """Whom a client believes: the authorities of a file, or the system's. Raises ConfigurationError."""
    if path is None:
        return True
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise options.ConfigurationError(f"expected certificates in PEM at {option} {path}: {reason}") from error


def decision_ttl(arguments: argparse.Namespace) -> float:
    """Seconds for which a whole decision is repeated: never longer than what it rests on."""
    longest: float = arguments.metadata_ttl
    if arguments.authz_ttl is None:
        return longest
    if arguments.authz_ttl > longest:
        LOG.warning(
            "--authz-cache-ttl %g is above --metadata-cache-ttl %g, which decisions rest on; %g is used",
            arguments.authz_ttl,
            longest,
            longest,
        )
    return min(float(arguments.authz_ttl), longest)


def admin(found: AuthMetrics) -> Starlette:
    """The administrative endpoint."""

    async def metrics(_request: Request) -> Response:
        return Response(found.text(), media_type=CONTENT_TYPE)

    async def status(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "answers": {str(key): number for key, number in found.answers.items()}})

    return Starlette(routes=[Route("/metrics", metrics), Route("/status", status)])


async def run(arguments: argparse.Namespace) -> None:
    """Serve until asked to stop."""
    try:
        cluster = kubernetes_client(KubeConfig.from_file(arguments.kubeconfig))
    except (ConfigError, OSError) as error:
        raise options.ConfigurationError(f"expected a kubeconfig at {arguments.kubeconfig}: {error}") from error
    trust = Trust(trusted("--maas-api-ca", arguments.maas_api_ca), trusted("--oidc-ca", arguments.oidc_ca))
    policy = Policy(arguments.audience, arguments.metadata_ttl, arguments.quirks)

    def moved() -> None:
        instances.changed()

    seen, metrics = Seen(moved), AuthMetrics()
    async with Deciders(cluster, trust, policy, seen, metrics) as deciders:
        instances = Instances(
            arguments.maas_api, lambda: seen.policies.objects, lambda: seen.slices.objects, deciders.make
        )
        async with seen.followed(cluster):
            await serve(CheckMethod(instances, metrics, decision_ttl(arguments)), metrics, arguments)


async def serve(check: CheckMethod, metrics: AuthMetrics, arguments: argparse.Namespace) -> None:
    """Answer Envoy, and whoever asks for metrics, until asked to stop."""
    grpc_socket = component.listen(*options.address(arguments.bind))
    admin_socket = component.listen(*options.address(arguments.admin_bind))
    async with grpc_serving(check, grpc_socket), serving(admin(metrics), admin_socket):
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
