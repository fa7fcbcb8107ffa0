"""A small HTTP client that costs next to nothing, so that the numbers are the server's."""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

MERGE = "application/merge-patch+json"
APPLY = "fieldManager=maas-conformance&force=true"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is and how to talk to it."""

    host: str
    port: int
    context: ssl.SSLContext
    token: str

    @classmethod
    def read(cls, url: str, ca: Path, token: str) -> "Address":
        """From the ready file's URL, the CA's path and a bearer token."""
        host, _, port = url.removeprefix("https://").rpartition(":")
        return cls(host, int(port), ssl.create_default_context(cafile=ca), token)


class Connection:
    """One kept-alive connection."""

    def __init__(self, address: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._address = address
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, address: Address) -> "Connection":
        """Connect and shake hands."""
        reader, writer = await asyncio.open_connection(address.host, address.port, ssl=address.context, limit=1 << 24)
        return cls(address, reader, writer)

    def send(self, method: str, path: str, body: bytes = b"", media: str = "application/json") -> None:
        """Write one request."""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._address.host}\r\nAuthorization: Bearer {self._address.token}\r\n"
        )
        head += f"Content-Type: {media}\r\nAccept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)

    async def headers(self) -> tuple[int, int]:
        """Status code and content length (0 for a stream) of the next answer."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        code = int(head[9:12])
        lower = head.lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 : lower.index(b"\r\n", at)]) if at >= 0 else 0
        return code, length

    async def request(
        self, method: str, path: str, body: bytes = b"", media: str = "application/json"
    ) -> tuple[int, bytes]:
        """One exchange."""
        self.send(method, path, body, media)
        code, length = await self.headers()
        return code, await self.reader.readexactly(length)

    def close(self) -> None:
        """Let the connection go."""
        self.writer.close()
