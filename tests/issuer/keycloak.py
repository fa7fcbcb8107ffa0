"""A real Keycloak for contract tests: an unpacked distribution, run on loopback with a database in memory.

`MAAS_TEST_KEYCLOAK_HOME` names its folder. It starts in half a minute at best, so tests share one; `-n0` keeps it one.
"""

import contextlib
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.client.keycloak import Keycloak
from harness.client.secret import Secret
from harness.simulator.component import die_with_parent
from harness.simulator.issuer.__main__ import CA_FILE, CHAIN_FILE, KEY_FILE, certified

VARIABLE = "MAAS_TEST_KEYCLOAK_HOME"
ADMINISTRATOR = "conformance"
START_S = 400.0
LISTENING = re.compile(r"Listening on: .*?(https://127\.0\.0\.1:\d+)")


def home() -> Path:
    """The distribution's folder. Skips the test where none is named."""
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(f"needs a Keycloak: {VARIABLE} names no unpacked distribution (keycloak-quarkus-dist), and Java 17")
    folder = Path(named)
    assert (folder / "bin" / "kc.sh").is_file(), f"{VARIABLE} names {folder}, which has no bin/kc.sh"
    return folder


@contextlib.contextmanager
def running(folder: Path, directory: Path) -> Iterator[Keycloak]:
    """A server of this distribution with nothing but its `master` realm; what it says of itself lies in `directory`."""
    certified(directory, "127.0.0.1")
    secret, log = Secret(secrets.token_urlsafe(24)), directory / "keycloak.log"
    command = [str(folder / "bin" / "kc.sh"), "start-dev", "--db=dev-mem", "--http-host=127.0.0.1", "--http-port=0"]
    command += ["--https-port=0", f"--https-certificate-file={directory / CHAIN_FILE}"]
    command += [f"--https-certificate-key-file={directory / KEY_FILE}"]
    administrator = {
        "KC_BOOTSTRAP_ADMIN_CLIENT_ID": ADMINISTRATOR,
        "KC_BOOTSTRAP_ADMIN_CLIENT_SECRET": secret.reveal(),
        "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx768m",
    }
    with log.open("wb") as output:
        environment = {**os.environ, **administrator}
        # the script becomes Java, so a test run that is killed takes both along
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, preexec_fn=die_with_parent)  # noqa: PLW1509 - no thread of a test holds a lock
    try:
        url = announced(process, log)
        with Keycloak(url, ADMINISTRATOR, secret, ca_file=directory / CA_FILE) as keycloak:
            yield keycloak
    finally:
        process.kill()
        process.wait()


def announced(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where it listens, once it does."""
    deadline = time.monotonic() + START_S
    while (found := LISTENING.search(log.read_text(encoding="utf-8", errors="replace"))) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Keycloak did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")
        time.sleep(0.1)
    return found[1]
