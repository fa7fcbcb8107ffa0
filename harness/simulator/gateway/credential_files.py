"""Providers' keys on disk, one file each, for Envoy alone to read: it follows them, so another key needs no new configuration."""

import json
from collections.abc import Mapping
from pathlib import Path

from harness.simulator.gateway.certificates import replace
from harness.simulator.gateway.envoy_config.outside import credential_file
from harness.simulator.gateway.envoy_config.typed import typed

FOLDER = "credentials"
SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105  a type's name


class CredentialFiles:
    """The keys in `DIRECTORY/credentials`, which nobody else may enter. Envoy spends one inotify instance on each."""

    def __init__(self, directory: Path) -> None:
        self.folder = directory / FOLDER
        self._keys: dict[str, str] = {}

    def write(self, keys: Mapping[str, str]) -> None:
        """Have these keys on disk, before any upstream asks for them: name to the header's text."""
        if keys and not self._keys:
            self.folder.mkdir(mode=0o700, exist_ok=True)
        for name, value in keys.items():
            if self._keys.get(name) != value:
                secret = typed(SECRET, name=name, generic_secret={"secret": {"inline_string": value}})
                replace(self.folder / credential_file(name), json.dumps({"resources": [secret]}).encode())
                self._keys[name] = value

    def forget(self, keys: Mapping[str, str]) -> None:
        """Remove those that nothing asks for any more."""
        for name in set(self._keys) - set(keys):
            (self.folder / credential_file(name)).unlink(missing_ok=True)
            del self._keys[name]
