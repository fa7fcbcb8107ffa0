"""Opening a target: from what a person asked for to a `Platform` that answers, and back to nothing left behind."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Literal

from harness.platforms.platform import Platform, Stack, Target

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """What the command line, pytest's options and environment files agree on."""

    target: Target = "embedded"
    stack: Stack = "reference"
    kubeconfig: Path | None = None
    gateway_url: str | None = None
    management_url: str | None = None
    environment: Path | None = None
    worlds: tuple[Path, ...] = ()
    backend: Literal["mock", "vllm"] = "mock"
    gpu_profile: Path | None = None
    gateway_port: int = 0
    state_dir: Path | None = None
    keep: bool = False
    dry_run: bool = False
    run_id: str | None = None
    """Whose what is made outside a cluster is; without it, that of a run of its own."""
    settings: dict[str, str] = field(default_factory=dict)


def open_target(options: TargetOptions, progress: Progress) -> AbstractContextManager[Platform]:
    """Make the platform of these options available for the length of a `with` block.

    Leaving the block removes everything that entering it made. Raises EnvironmentFault when this machine or cluster cannot do it,
    UsageFault when the options contradict each other. `progress` gets one short line per step.
    """
    module = import_module(f"harness.platforms.{options.target}")
    opened: AbstractContextManager[Platform] = module.open_platform(options, progress)
    return opened
