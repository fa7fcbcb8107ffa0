"""A shell line that repeats an exchange: credentials stand in it as `$MAAS_KEY`, so it may be pasted into an issue."""

import shlex

from harness.client.exchange import Request
from harness.client.secret import MASK

_OWN_HEADERS = frozenset({"x-request-id", "traceparent", "user-agent", "accept-encoding", "content-length", "host"})
KEY_VARIABLE = "$MAAS_KEY"


def curl_line(request: Request) -> str:
    """One line for a POSIX shell; reads as a person would type it: headers that only measure are left out."""
    parts = ["curl", "-sSk", "-i"]
    if request.method != ("POST" if request.body is not None else "GET"):
        parts += ["-X", request.method]
    parts += [
        f"-H {_quoted(f'{name}: {value}' if value else f'{name};')}"
        for name, value in request.headers.items()
        if name.lower() not in _OWN_HEADERS
    ]
    if _is_streamed(request):
        parts.append("-N")
    if request.body is not None:
        parts.append(f"-d {shlex.quote(request.body.decode('utf-8', errors='replace'))}")
    parts.append(shlex.quote(request.url))
    return " ".join(parts)


def _quoted(header: str) -> str:
    """Single quotes, except around the variable, which the shell must expand."""
    if MASK not in header:
        return shlex.quote(header)
    escaped = header.replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`").replace("$", "\\$")
    return '"' + escaped.replace(MASK, KEY_VARIABLE) + '"'


def _is_streamed(request: Request) -> bool:
    return b'"stream":true' in (request.body or b"").replace(b" ", b"")
