"""What this machine must have before the first process starts, each lack one sentence."""

import shutil
import socket

from harness.outcome import EnvironmentFault
from harness.platforms.embedded.topology import LOOPBACK
from harness.platforms.machine import gpus


def require_free_port(port: int) -> None:
    """Raise EnvironmentFault when the gateway's port is taken; port 0 always is free."""
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


def require_vllm(*, without_gpu: bool) -> None:
    """Raise EnvironmentFault, in one sentence, when `--backend vllm` cannot work here; `without_gpu` waives the GPU."""
    if shutil.which("vllm") is None:
        raise EnvironmentFault(
            "--backend vllm needs the command vllm on the PATH (pip install vllm) and a GPU, and this machine has no such command: "
            "leave the option out to use the mock"
        )
    if not without_gpu and not gpus():
        raise EnvironmentFault(
            "--backend vllm needs a GPU that nvidia-smi can see, and there is none here: leave the option out to use the mock"
        )
