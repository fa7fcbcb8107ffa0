"""`python -m harness.simulator.gateway.authorizer`: the authorizer as a process."""

import argparse
import asyncio
import contextlib
import logging
import ssl
import sys
from collections.abc import Iterable
from pathlib import Path

import httpx
import uvloop
from lightkube import AsyncClient, KubeConfig
from lightkube.core.exceptions import ConfigError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.simulator import component
from harness.simulator.exposition import CONTENT_TYPE
from harness.simulator.gateway import options, quirks
from harness.simulator.gateway.authorizer.check import CheckMethod
from harness.simulator.gateway.authorizer.credentials import Credentials
from harness.simulator.gateway.authorizer.decision import Authorizer
from harness.simulator.gateway.authorizer.instances import Instances
from harness.simulator.gateway.authorizer.maas_api import MaasApi
from harness.simulator.gateway.authorizer.measured import MeasuredJwts, MeasuredKeys, MeasuredTokens
from harness.simulator.gateway.authorizer.metrics import AuthMetrics, Rules
from harness.simulator.gateway.authorizer.oidc import OidcTokens, issuer_at
from harness.simulator.gateway.authorizer.quirks import Quirk
from harness.simulator.gateway.authorizer.tokens import ClusterTokens
from harness.simulator.gateway.grpc_server import grpc_serving
from harness.simulator.gateway.plan.gatewayapi import Key, Object, text
from harness.simulator.gateway.watch import KINDS, Kind, Watch
from harness.simulator.web import serving

EXTERNAL_MODELS = Kind("external_models", "inference.opendatahub.io", "v1alpha1", "ExternalModel", "externalmodels")
AUTH_POLICIES, ENDPOINT_SLICES = (
    next(kind for kind in KINDS if kind.slot == slot) for slot in ("auth_policies", "endpoint_slices")
)
LOG = logging.getLogger("authorizer")
AUDIENCE = "https://kubernetes.default.svc"
SYNC_SECONDS = 5.0
TIMEOUT = httpx.Timeout(1.5, connect=1.0)


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


def speaks_messages(models: Iterable[Object]) -> bool:
    """Whether some external model takes Anthropic's format, whose clients send their key as `x-api-key`."""
    references = (ref for model in models for ref in (model.get("spec") or {}).get("externalProviderRefs") or ())
    return any(ref.get("apiFormat") == "messages" for ref in references)


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
        cluster = AsyncClient(config=KubeConfig.from_file(arguments.kubeconfig), trust_env=False)
    except (ConfigError, OSError) as error:
        raise options.ConfigurationError(f"expected a kubeconfig at {arguments.kubeconfig}: {error}") from error
    verify = trusted("--maas-api-ca", arguments.maas_api_ca)
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    metrics = AuthMetrics()
    issuer_ca = trusted("--oidc-ca", arguments.oidc_ca)
    async with (
        contextlib.AsyncExitStack() as clients,
        httpx.AsyncClient(timeout=TIMEOUT, verify=issuer_ca, trust_env=False) as web,
    ):
        models = Watch(EXTERNAL_MODELS, lambda: None)

        def decider(url: str, gateway: Key) -> Authorizer:
            http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT, limits=limits, verify=verify, trust_env=False)
            clients.push_async_callback(http.aclose)
            rules = Rules(metrics, text(gateway))
            maas_api = MaasApi(http, arguments.metadata_ttl, rules)
            issued = OidcTokens(web, lambda: issuer_at(gateway, policies.objects), arguments.quirks)
            credentials = Credentials(
                MeasuredKeys(maas_api, rules),
                MeasuredTokens(ClusterTokens(cluster, arguments.audience), rules),
                arguments.metadata_ttl,
                MeasuredJwts(issued, rules),
                lambda: speaks_messages(models.objects.values()),
            )
            return Authorizer(credentials, maas_api, arguments.quirks, rules.denied)

        def moved() -> None:
            instances.changed()

        policies, slices = (Watch(kind, moved) for kind in (AUTH_POLICIES, ENDPOINT_SLICES))
        instances = Instances(arguments.maas_api, lambda: policies.objects, lambda: slices.objects, decider)
        watches = (models, policies, slices)
        following = [asyncio.create_task(watch.run(cluster)) for watch in watches]
        with contextlib.suppress(TimeoutError):  # without its policies, a gateway is refused until they are known
            await asyncio.wait_for(asyncio.gather(policies.synced.wait(), slices.synced.wait()), SYNC_SECONDS)
        check = CheckMethod(instances, metrics, decision_ttl(arguments))
        grpc_socket = component.listen(*options.address(arguments.bind))
        admin_socket = component.listen(*options.address(arguments.admin_bind))
        async with grpc_serving(check, grpc_socket), serving(admin(metrics), admin_socket):
            component.announce(
                arguments.ready_file,
                {"grpc": component.address(grpc_socket), "admin": f"http://{component.address(admin_socket)}"},
            )
            await component.until_stopped()
        for task in following:
            task.cancel()


def main() -> int:
    """Exit codes: 0 stopped as asked, 2 usage, 3 the environment is not ready."""
    arguments = parser().parse_args()
    options.start_logging(arguments.log_level)
    return options.exit_code("authorizer", lambda: uvloop.run(run(arguments)))


if __name__ == "__main__":
    sys.exit(main())
