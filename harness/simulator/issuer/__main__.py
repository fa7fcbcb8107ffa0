"""`python -m harness.simulator.issuer`: the issuer as a process."""

import argparse
import asyncio
import logging
import os
import sys
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import trustme

from harness.simulator import component
from harness.simulator.issuer.admin import Administration
from harness.simulator.issuer.public import public
from harness.simulator.issuer.realm import Realms
from harness.simulator.issuer.storage import load, save
from harness.simulator.web import serving

CA_FILE, CHAIN_FILE, KEY_FILE, REALMS_FILE = "ca.crt", "tls.crt", "tls.key", "realms.json"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = argparse.ArgumentParser(
        prog="python -m harness.simulator.issuer", description="An OIDC issuer with several realms, for tests."
    )
    line.add_argument(
        "--dir", type=Path, required=True, help=f"where its certificate lies, and {CA_FILE} for those who trust it"
    )
    line.add_argument("--realm", action="append", default=[], metavar="NAME", help="a realm to have from the start")
    line.add_argument("--bind", default="127.0.0.1:0", metavar="HOST:PORT", help="where the realms listen, by HTTPS")
    line.add_argument(
        "--admin-bind", default="127.0.0.1:0", metavar="HOST:PORT", help="where tokens are signed on demand"
    )
    line.add_argument("--url", help="the base of the issuers' URLs, where callers reach them elsewhere than at --bind")
    line.add_argument(
        "--prepare",
        action="store_true",
        help="make the certificate and end: those who trust it may then start beside the issuer",
    )
    line.add_argument("--ready-file", type=Path, help="written last, when every endpoint accepts connections")
    line.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    return line


def certified(directory: Path, *hosts: str) -> tuple[Path, Path]:
    """A certificate for the hosts by an authority of the issuer's own: PEM files of chain and key, of an earlier start if there was one."""
    directory.mkdir(parents=True, exist_ok=True)
    chain, key = directory / CHAIN_FILE, directory / KEY_FILE
    if all(path.exists() for path in (chain, key, directory / CA_FILE)):
        return chain, key
    authority = trustme.CA(organization_name="maas-conformance issuer", key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert(*dict.fromkeys((*hosts, "localhost")), key_type=trustme.KeyType.ECDSA)
    chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    key.touch(mode=0o600)
    key.write_bytes(issued.private_key_pem.bytes())
    (directory / CA_FILE).write_bytes(authority.cert_pem.bytes())
    return chain, key


async def run(arguments: argparse.Namespace) -> None:
    """Serve until asked to stop. Raises ValueError and OSError."""
    host, port = component.place(arguments.bind)
    elsewhere = urlsplit(arguments.url or "").hostname
    certificate = certified(arguments.dir, host, *([elsewhere] if elsewhere else []))
    if arguments.prepare:
        return
    listening, admin = component.listen(host, port), component.listen(*component.place(arguments.admin_bind))
    base = (arguments.url or f"https://{component.address(listening)}").rstrip("/")
    realms, kept = Realms(base), arguments.dir / REALMS_FILE
    load(kept, realms)
    for name in arguments.realm:
        realms.make(name)
    keep = partial(save, kept, realms)
    keep()
    async with serving(public(realms), listening, certificate), serving(Administration(realms, keep).app(), admin):
        component.announce(arguments.ready_file, {"issuer": base, "admin": f"http://{component.address(admin)}"})
        await component.until_stopped()


def main() -> int:
    """Exit codes: 0 stopped as asked, 2 usage, 3 the environment is not ready."""
    arguments = parser().parse_args()
    logging.basicConfig(
        level=arguments.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    if os.environ.get("MAAS_DIE_WITH_PARENT") == "1":
        component.die_with_parent()
    try:
        asyncio.run(run(arguments))
    except (ValueError, OSError) as error:
        sys.stderr.write(f"issuer: {error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
