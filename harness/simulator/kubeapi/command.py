"""The command line of the embedded Kubernetes API server."""

import argparse
import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from harness.simulator.component import address, announce, die_with_parent, listen, until_stopped
from harness.simulator.kubeapi import assembly, bootstrap, certificates, envtest
from harness.simulator.kubeapi.asgi import Application
from harness.simulator.kubeapi.envtest import EnvtestError
from harness.simulator.kubeapi.persistence import Archive, StateError, Survives
from harness.simulator.kubeapi.router import Router

NOT_READY = 3
LINGER_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, read."""

    folder: Path
    crds: tuple[Path, ...]
    host: str
    port: int
    state: Path | None
    survives: Survives
    ready_file: Path | None
    log_level: str
    engine: str


def read_options(arguments: list[str] | None = None) -> Options:
    """Parse the command line; argparse ends the process with exit code 2 and one sentence where it is wrong."""
    parser = argparse.ArgumentParser(prog="kubeapi", description="an embedded Kubernetes API server")
    parser.add_argument("--dir", type=Path, required=True, help="where ca.crt and admin.kubeconfig are written")
    parser.add_argument(
        "--crds",
        type=Path,
        action="append",
        default=[],
        help="a folder of CustomResourceDefinitions to serve from the start",
    )
    parser.add_argument("--bind", default="127.0.0.1:0", help="HOST:PORT; port 0 takes a free one")
    parser.add_argument("--state", type=Path, help="a folder that keeps all objects over restarts")
    parser.add_argument(
        "--state-survives",
        default="machine",
        choices=["machine", "process"],
        help="whose sudden end loses nothing that was acknowledged; process is faster",
    )
    parser.add_argument("--ready-file", type=Path, help="a file that announces the address once the server answers")
    parser.add_argument("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    engines = "own: this server; envtest: etcd and kube-apiserver from KUBEBUILDER_ASSETS"
    parser.add_argument("--engine", default="own", choices=["own", "envtest"], help=engines)
    given = parser.parse_args(arguments)
    host, _, port = given.bind.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        parser.error(f"argument --bind: expected HOST:PORT such as 127.0.0.1:0, got {given.bind!r}")
    return Options(
        folder=given.dir,
        crds=tuple(given.crds),
        host=host.strip("[]"),
        port=int(port),
        state=given.state,
        survives=given.state_survives,
        ready_file=given.ready_file,
        log_level=given.log_level,
        engine=given.engine,
    )


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, telling when it accepts connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the component."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets=sockets)
        self.accepting.set()


def _configure(application: Any, chain: Path, key: Path) -> uvicorn.Config:
    return uvicorn.Config(
        application, http="httptools", ws="wsproto", loop="none", lifespan="off", access_log=False, log_config=None, server_header=False,
        proxy_headers=False, ssl_certfile=chain, ssl_keyfile=key, timeout_keep_alive=120, timeout_graceful_shutdown=1,
    )  # fmt: skip


async def _serve(options: Options, archive: Archive | None) -> None:
    server_socket = listen(options.host, options.port)
    where = address(server_socket)
    url = f"https://{where}"
    given = assembly.credentials(archive, options.host)
    cluster = assembly.build(archive, given, options.crds)
    folder, issued = options.folder, given.certificates
    certificates.write_private(folder / "server.crt", issued.chain)
    certificates.write_private(folder / "server.key", issued.key)
    (folder / "ca.crt").write_bytes(issued.ca)
    certificates.write_kubeconfig(folder / "admin.kubeconfig", url, issued.ca, given.admin_token)
    router = Router(cluster, where)
    application = Application(cluster, router.handle, router.forward)
    server = _Server(_configure(application, folder / "server.crt", folder / "server.key"))
    running = asyncio.create_task(server.serve(sockets=[server_socket]))
    await server.accepting.wait()
    announce(options.ready_file, {"api": url})
    await until_stopped()
    cluster.closing = True
    cluster.store.wake_all()
    server.should_exit = True
    # Streams end by themselves now; whoever keeps a connection open beyond that must not hold up the end.
    asyncio.get_running_loop().call_later(LINGER_SECONDS, setattr, server, "force_exit", True)
    await running


def _run(options: Options) -> None:
    import uvloop

    if options.engine == "envtest":
        folder = options.folder.resolve()
        serving = envtest.serve(folder, options.host, options.port, options.crds, options.state, options.ready_file)
        asyncio.run(serving)
        return
    archive = Archive(options.state, survives=options.survives) if options.state is not None else None
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(options, archive))
    finally:
        if archive is not None:
            archive.close()


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM; returns the exit code."""
    options = read_options(arguments)
    logging.basicConfig(
        level=options.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    for library in ("httpx", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)  # calls of webhooks are no events of this component
    if os.environ.get("MAAS_DIE_WITH_PARENT") == "1":
        die_with_parent()
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        _run(options)
    except (OSError, bootstrap.UnusableManifestError, StateError, EnvtestError) as error:
        sys.stderr.write(f"kubeapi: {error}\n")
        return NOT_READY
    return 0
