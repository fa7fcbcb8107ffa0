"""HTTP to a Kubernetes API at less than half of the usual cost: controllers spend half of their time in their HTTP client otherwise.

The client library stays lightkube, on httpx2; beneath it aiohttp, whose parser is compiled, does the talking. httpx2's own pool asks the
system of every idle connection before each request.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Final

import aiohttp
import httpx2
from lightkube import AsyncClient, KubeConfig
from lightkube.config.client_adapter import verify_cluster
from lightkube.core.exceptions import ConfigError
from multidict import CIMultiDict
from yarl import URL

from harness.simulator.lasting import kept_open

IDLE_S: Final = 3.0
"""An idle connection is not used again after so long: servers close theirs after 5 s and more, and a request must not meet that."""


def kubernetes_client(kubeconfig: KubeConfig, field_manager: str | None = None) -> AsyncClient:
    """A client of the API server that the present context names. Raises ConfigError, and OSError for certificates that cannot be read."""
    config = kubeconfig.get()
    if config is None or config.user is None:
        raise ConfigError("the present context names no cluster or no user")
    context = verify_cluster(config.cluster, config.user, config.abs_file, trust_env=False)
    return AsyncClient(config=config, field_manager=field_manager, trust_env=False, transport=Transport(context))


class Transport(httpx2.AsyncBaseTransport):
    """Keeps connections and gives each request one of its own. `context`: for servers that speak TLS."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it and return its response; a body of a known length is in it whole. Raises httpx2.TransportError."""
        seconds: dict[str, float | None] = request.extensions.get("timeout") or {}
        limits = aiohttp.ClientTimeout(total=None, sock_connect=seconds.get("connect"), sock_read=seconds.get("read"))
        headers = CIMultiDict((name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw)
        with _faults_of(request.url, limits):
            answer = await self._opened().request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=headers,
                data=await request.aread() or None,
                skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
                timeout=limits,
                allow_redirects=False,
            )
            if answer.content_length is None:
                stream = _Body(answer, request.url, limits)
                return httpx2.Response(answer.status, headers=answer.raw_headers, stream=stream)
            return httpx2.Response(answer.status, headers=answer.raw_headers, content=await answer.read())

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None and self._keeper is not None:
            self._keeper.cancel()
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:  # it belongs to an event loop, of which there is none when a client is made
            connector = aiohttp.TCPConnector(ssl=self._context or True, limit=0, keepalive_timeout=IDLE_S)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
            self._keeper = kept_open(self._session)
        return self._session


class _Body(httpx2.AsyncByteStream):
    """A body of unknown length, as it comes."""

    def __init__(self, answer: aiohttp.ClientResponse, url: httpx2.URL, limits: aiohttp.ClientTimeout) -> None:
        self._answer = answer
        self._url = url
        self._limits = limits

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Pieces, until the end. Raises httpx2.TransportError."""
        with _faults_of(self._url, self._limits):
            async for piece in self._answer.content.iter_any():
                yield piece

    async def aclose(self) -> None:
        """Give the connection back, or close it where the body has not ended."""
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


@contextlib.contextmanager
def _faults_of(url: httpx2.URL, limits: aiohttp.ClientTimeout) -> Iterator[None]:
    """Faults as the library above knows them."""
    where = f"{url.host}:{url.port or (443 if url.scheme == 'https' else 80)}"
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx2.ConnectTimeout(f"no connection to {where} within {limits.sock_connect} s") from error
    except aiohttp.ServerTimeoutError as error:
        raise httpx2.ReadTimeout(f"no answer from {where} within {limits.sock_read} s") from error
    except aiohttp.ClientConnectorError as error:
        raise httpx2.ConnectError(f"no connection to {where}: {error.os_error}") from error
    except aiohttp.ClientResponseError as error:
        raise httpx2.RemoteProtocolError(f"no HTTP response from {where}: {error.message}") from error
    except aiohttp.ClientError as error:
        raise httpx2.ReadError(
            f"the connection to {where} broke before the response was complete: {error or 'closed'}"
        ) from error
