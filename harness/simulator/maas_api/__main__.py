"""The command `python -m harness.simulator.maas_api`."""

import logging
import os
import sys
from pathlib import Path

import click

from harness.simulator.component import die_with_parent

from .quirks import Quirk, parse
from .settings import DEFAULT_TENANT, Listener, Settings


class _Address(click.ParamType):  # type: ignore[type-arg,unused-ignore] # generic only in newer versions of click
    name = "HOST:PORT"

    def convert(self, value: str | Listener, param: click.Parameter | None, ctx: click.Context | None) -> Listener:
        if isinstance(value, Listener):
            return value
        host, colon, port = value.rpartition(":")
        if not colon or not port.isdecimal() or int(port) > 65535:
            self.fail(f"expected HOST:PORT with a port from 0 to 65535, came {value!r}", param, ctx)
        return Listener(host.strip("[]"), int(port))


class _Quirks(click.ParamType):  # type: ignore[type-arg,unused-ignore] # as above
    name = "QUIRKS"

    def convert(
        self, value: str | frozenset[Quirk], param: click.Parameter | None, ctx: click.Context | None
    ) -> frozenset[Quirk]:
        if isinstance(value, frozenset):
            return value
        try:
            return parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


_FILE = click.Path(dir_okay=False, path_type=Path)
_EXISTING = click.Path(dir_okay=False, exists=True, path_type=Path)


@click.command()
@click.option("--kubeconfig", type=_EXISTING, help="Without it: KUBECONFIG or the Pod's own account.")
@click.option("--database", envvar="DB_CONNECTION_URL", help="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.")
@click.option("--bind", "listener", type=_Address(), envvar="ADDRESS", default="127.0.0.1:0", show_default=True)
@click.option("--metrics-bind", "metrics_listener", type=_Address(), default="127.0.0.1:0", show_default=True)
@click.option("--tls-cert", type=_EXISTING, envvar="TLS_CERT", help="Serve the API with TLS.")
@click.option("--tls-key", type=_EXISTING, envvar="TLS_KEY")
@click.option("--ready-file", type=_FILE, help="Written once the API answers.")
@click.option("--tenant", envvar="TENANT_NAME", default=DEFAULT_TENANT, show_default=True)
@click.option(
    "--subscription-namespace", envvar="MAAS_SUBSCRIPTION_NAMESPACE", default=DEFAULT_TENANT, show_default=True
)
@click.option("--gateway-name", envvar="GATEWAY_NAME", default="maas-default-gateway", show_default=True)
@click.option("--gateway-namespace", envvar="GATEWAY_NAMESPACE", default="openshift-ingress", show_default=True)
@click.option(
    "--require-gateway-service", is_flag=True, help="Start only when the gateway's Service (port 443) exists."
)
@click.option(
    "--startup-timeout",
    "startup_timeout_s",
    type=float,
    envvar="ACCESS_CHECK_TIMEOUT_SECONDS",
    default=15.0,
    show_default=True,
)
@click.option(
    "--max-expiration-days",
    type=click.IntRange(min=1),
    envvar="API_KEY_MAX_EXPIRATION_DAYS",
    default=90,
    show_default=True,
)
@click.option(
    "--last-used-debounce",
    "last_used_debounce_s",
    type=float,
    envvar="LAST_USED_DEBOUNCE_SECS",
    default=60.0,
    show_default=True,
)
@click.option(
    "--admin-cache-entries", type=click.IntRange(min=1), envvar="SAR_CACHE_MAX_SIZE", default=8192, show_default=True
)
@click.option(
    "--admin-cache-seconds",
    "admin_cache_s",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="How long a former administrator may keep the right.",
)
@click.option("--debug", is_flag=True, envvar="DEBUG_MODE", help="Allow browsers on this machine (CORS).")
@click.option("--quirks", type=_Quirks(), default="none", show_default=True, help="none, upstream, or requirement ids.")
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.option("--openapi", "print_openapi", is_flag=True, help="Print the OpenAPI document and end.")
def main(*, print_openapi: bool, **options: object) -> None:
    """Serve the management API of one MaaS tenant."""
    if print_openapi:
        import orjson

        from .openapi import document

        click.echo(orjson.dumps(document(), option=orjson.OPT_INDENT_2))
        return
    if not options["database"]:
        raise click.UsageError(
            "no database: give --database or DB_CONNECTION_URL, for example sqlite:////var/lib/maas/keys.db"
        )
    if bool(options["tls_cert"]) != bool(options["tls_key"]):
        raise click.UsageError("--tls-cert and --tls-key go together")
    settings = Settings(**options)  # type: ignore[arg-type] # click has converted every value
    _run(settings)


def _run(settings: Settings) -> None:
    if os.environ.get("MAAS_DIE_WITH_PARENT") == "1":
        die_with_parent()
    logging.basicConfig(
        stream=sys.stderr,
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    # The client libraries log every request at INFO; URLs and timing of the API server are no event of this component.
    for name in ("httpx", "httpx2", "httpcore", "httpcore2", "aiosqlite", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from .server import StartError, serve

    try:
        import uvloop

        uvloop.run(serve(settings))
    except StartError as error:
        click.echo(f"maas-api cannot start: {error}", err=True)
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
