"""The MaaS gateway by TLS: nothing is served to whoever leaves the encryption out."""

from urllib.parse import urlsplit

from harness.client.exchange import Exchange
from harness.client.measuring import Call
from harness.engine.declaration import check
from harness.engine.failure import NotReady
from harness.platforms.platform import Platform
from harness.world.expectations import describe, expect, expect_status
from harness.world.world import World

REDIRECTS = frozenset({301, 302, 307, 308})


def encrypted(platform: Platform) -> str:
    """The base URL of the MaaS gateway by HTTPS. Raises NotReady where the platform promises one and names none."""
    for url in (platform.endpoints.gateway_tls, platform.endpoints.gateway):
        if url is not None and url.startswith("https://"):
            return url
    raise NotReady("no HTTPS address of the MaaS gateway is known")


def plain(url: str, platform: Platform) -> list[str]:
    """Where somebody might try without encryption: at the same port, and at that of HTTP where callers use HTTPS."""
    parts = urlsplit(url)
    same_port = f"http://{parts.hostname}:{parts.port or 443}"
    return [same_port] if platform.endpoints.gateway != url else [same_port, f"http://{parts.hostname}"]


def is_served(exchange: Exchange) -> bool:
    """Whether the platform dealt with the request itself, rather than breaking off, calling it malformed or sending it to HTTPS."""
    if exchange.status is None or exchange.status == 400:
        return False
    elsewhere = exchange.header("Location") or ""
    return not (exchange.status in REDIRECTS and elsewhere.startswith("https://"))


@check("MAAS-GW-014", needs={"tls"})
def test_nothing_is_served_without_encryption(world: World, platform: Platform) -> None:
    url = encrypted(platform)
    health = "/maas-api/health"
    answer = world.wire.send(Call("GET", f"{url}{health}"))
    expect_status(answer, 200, when="the gateway is called by HTTPS, its certificate verified")
    for base in plain(url, platform):
        exchange = world.wire.send(Call("GET", f"{base}{health}"))
        expect(
            not is_served(exchange),
            expected=f"no connection, 400, or a redirect to HTTPS at {base}",
            observed=describe(exchange),
            exchange=exchange,
        )
