"""From a container of a Pod to the command of a local process: the mock for any model server, or a real vLLM."""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.simulator.controllers.runtime.manifest import Manifest, annotations, spec

Runtime = Literal["mock", "vllm"]
MAIN = "main"
MOCK = "mock_vllm"
SERVED_NAMES = "maas-conformance.dev/served-model-names"
MODEL_SERVERS = frozenset({"mock-vllm", "vllm", "llm-d-inference-sim"})
_OURS = frozenset({"--port", "--host", "--admin-port", "--ready-file"})
_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


class UnrunnableError(ValueError):
    """The container is none that this kubelet stand-in can run; the text is what the Pod's status says."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to start: a Python module with arguments, or without `module` a whole command.

    `port` is chosen beforehand only for servers that cannot announce their own. `serves` is False for work that ends by itself.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    module: str | None = None
    serves: bool = True

    @property
    def command(self) -> tuple[str, ...]:
        """The command line of a process of its own."""
        return self.arguments if self.module is None else (sys.executable, "-P", "-m", self.module, *self.arguments)


def model_container(pod: Manifest) -> dict[str, Any]:
    """The container that serves the model: the one named `main`, else the first."""
    containers: list[dict[str, Any]] = spec(pod).get("containers") or []
    if not containers:
        raise UnrunnableError("the Pod has no container")
    return next((one for one in containers if one.get("name") == MAIN), containers[0])


def environment_of(container: Mapping[str, Any]) -> dict[str, str]:
    """Variables with literal values; those that refer to other objects are left out."""
    return {entry["name"]: str(entry["value"]) for entry in container.get("env") or () if "value" in entry}


def command_of(container: Mapping[str, Any]) -> list[str]:
    """`command` and `args` with `$(NAME)` replaced by the container's variables."""
    variables = environment_of(container)
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    return [_REFERENCE.sub(lambda match: variables.get(match[1], match[0]), str(word)) for word in words]


def served_names(pod: Manifest, command: list[str]) -> list[str]:
    """Names the model answers to: those of the Pod's annotation, then those of its command line."""
    try:
        names = json.loads(annotations(pod).get(SERVED_NAMES) or "[]")
    except ValueError:
        names = []
    found = [str(name) for name in names] if isinstance(names, list) else []
    found += option_values(command, "--served-model-name")
    found += option_values(command, "--model")[:1]
    if not found and command[1:3] and command[1] == "serve":
        found = [command[2]]
    return list(dict.fromkeys(found))


def option_values(command: list[str], name: str) -> list[str]:
    """Values of an option, `--name VALUE...` or `--name=VALUE`."""
    values: list[str] = []
    for at, word in enumerate(command):
        if word.startswith(f"{name}="):
            values.append(word.partition("=")[2])
        if word == name:
            rest = command[at + 1 :]
            end = next((index for index, value in enumerate(rest) if value.startswith("--")), len(rest))
            values += rest[:end]
    return values


def without_options(command: list[str], names: frozenset[str]) -> list[str]:
    """The command line without these single-valued options."""
    kept: list[str] = []
    skip = False
    for word in command:
        if skip:
            skip = False
        elif word in names:
            skip = True
        elif word.partition("=")[0] not in names:
            kept.append(word)
    return kept


def is_model_server(pod: Manifest) -> bool:
    """Whether the Pod serves a model, by its command or by the names that the KServe stand-in wrote."""
    command = command_of(model_container(pod))
    return SERVED_NAMES in annotations(pod) or (bool(command) and Path(command[0]).name in MODEL_SERVERS)


def mock_launch(pod: Manifest, ready_file: Path) -> Launch:
    """The mock server for a Pod, whatever server the Pod itself names. Raises UnrunnableError when it serves no model."""
    container = model_container(pod)
    command = command_of(container)
    if not is_model_server(pod):
        raise UnrunnableError(
            f"no image can be pulled on this machine: expected a model server ({', '.join(sorted(MODEL_SERVERS))}), "
            f"found {command[:1] or [container.get('image')]}"
        )
    if command[:1] and Path(command[0]).name == "mock-vllm":
        arguments = without_options(command[1:], _OURS)
    else:
        names = served_names(pod, command)
        if not names:
            raise UnrunnableError("the Pod names no model: expected --served-model-name or --model in its command")
        arguments = ["serve", names[0], "--served-model-name", *names]
    ours = ["--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--ready-file", str(ready_file)]
    if "--log-requests" not in arguments:
        ours.append("--log-requests")  # a Pod's log says what was asked of it
    return Launch((*arguments, *ours), environment_of(container), module=MOCK)


def vllm_launch(pod: Manifest, port: int) -> Launch:
    """A real `vllm serve` for a Pod. Raises UnrunnableError when it serves no model."""
    container = model_container(pod)
    command = command_of(container)
    if not is_model_server(pod):
        raise UnrunnableError(f"this kubelet stand-in runs model servers alone, found {command[:1]}")
    names = served_names(pod, command)
    if [Path(word).name for word in command[:1]] == ["vllm"] and command[1:2] == ["serve"]:
        arguments = without_options(command[1:], _OURS)
    else:
        arguments = ["serve", names[0], "--served-model-name", *names]
    variables = environment_of(container)
    arguments += shlex.split(variables.get("VLLM_ADDITIONAL_ARGS", ""))
    binary = shutil.which("vllm", path=variables.get("PATH", os.environ.get("PATH")))
    if binary is None:
        raise UnrunnableError("vllm is not on the PATH: install vLLM, or run with --runtime mock")
    return Launch((binary, *arguments, "--host", "127.0.0.1", "--port", str(port)), variables, port)
