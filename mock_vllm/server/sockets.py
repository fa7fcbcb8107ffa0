"""Listening sockets and what clients call them."""

import socket
import ssl

from mock_vllm.settings import Settings


def bind(host: str, port: int, *, shared: bool = False, listening: bool = True) -> socket.socket:
    """A TCP socket; `shared` lets several processes have the port. Raises OSError with host and port in its text."""
    server = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        server.bind((host, port))
    except OSError as error:
        server.close()
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {reason}") from error
    if listening:
        server.listen(4096)
    server.setblocking(False)
    return server


def url(server: socket.socket, *, secure: bool) -> str:
    """Where clients reach a listening socket."""
    host, port = server.getsockname()[:2]
    scheme = "https" if secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def tls(settings: Settings) -> ssl.SSLContext | None:
    """The TLS context of the API port, when there is a certificate. Raises ValueError when it cannot be used."""
    if settings.ssl_certfile is None:
        if settings.ssl_keyfile is not None:
            raise ValueError("option --ssl-keyfile needs --ssl-certfile")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
        if settings.ssl_ca_certs is not None:
            context.load_verify_locations(settings.ssl_ca_certs)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"option --ssl-certfile: {settings.ssl_certfile} cannot be used: {error}") from None
    return context
