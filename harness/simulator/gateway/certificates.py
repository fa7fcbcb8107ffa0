"""Server certificates of HTTPS listeners: from the Secret that the Gateway names, else signed by a CA of this run."""

import base64
import binascii
from pathlib import Path

import trustme

from harness.simulator.gateway.plan.gatewayapi import Listener
from harness.simulator.gateway.plan.snapshot import Snapshot

CA_FILE = "gateway-ca.crt"
CHAIN, PRIVATE_KEY = "tls.crt", "tls.key"


class Certificates:
    """PEM files below `directory`, one folder per listener. The run's CA is written to `gateway-ca.crt` when it is first needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._authority: trustme.CA | None = None
        self._issued: dict[str, tuple[str, ...]] = {}

    def files(self, name: str, host: str, listener: Listener, snapshot: Snapshot) -> tuple[Path, Path]:
        """Chain and key of a listener; the files are current when this returns."""
        folder = self._directory / "tls" / name.replace("/", "_")
        folder.mkdir(parents=True, exist_ok=True)
        for reference in listener.certificates:
            data = snapshot.secrets.get(reference, {}).get("data") or {}
            if CHAIN in data and PRIVATE_KEY in data:
                try:
                    parts = {part: base64.b64decode(data[part], validate=True) for part in (CHAIN, PRIVATE_KEY)}
                except binascii.Error:
                    continue
                for part, content in parts.items():
                    replace(folder / part, content)
                self._issued.pop(name, None)
                return folder / CHAIN, folder / PRIVATE_KEY
        self._issue(name, folder, tuple(item for item in (host, "localhost", listener.hostname) if item))
        return folder / CHAIN, folder / PRIVATE_KEY

    def _issue(self, name: str, folder: Path, names: tuple[str, ...]) -> None:
        if self._issued.get(name) == names:
            return
        if self._authority is None:
            self._authority = trustme.CA(organization_name="maas-conformance gateway")
            replace(self._directory / CA_FILE, self._authority.cert_pem.bytes())
        issued = self._authority.issue_cert(*names)
        replace(folder / CHAIN, b"".join(item.bytes() for item in issued.cert_chain_pems))
        replace(folder / PRIVATE_KEY, issued.private_key_pem.bytes())
        self._issued[name] = names


def replace(path: Path, content: bytes) -> None:
    """Write a file whole, readable by its owner alone, unless it already says this."""
    if path.exists() and path.read_bytes() == content:
        return
    temporary = path.with_name(f".{path.name}")
    temporary.touch(mode=0o600)
    temporary.write_bytes(content)
    temporary.replace(path)
