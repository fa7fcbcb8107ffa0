"""`maas-conformance component`: stop, kill, pause and start the components of a platform that runs on this machine."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from harness.outcome import ExitCode, UsageFault

if TYPE_CHECKING:
    from harness.platforms.component_state import ComponentState
    from harness.platforms.components import LocalComponents

ACTIONS: Final = ("list", "stop", "kill", "start", "pause", "resume")


@click.command("component", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("action", type=click.Choice(ACTIONS))
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--platform",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The platform's file; only needed when several platforms run.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(action: str, names: tuple[str, ...], platform: Path | None, *, as_json: bool) -> int:
    """Stop or start components of the platform that `up` holds open, to see what its callers see meanwhile.

    stop ends a component in order (SIGTERM), kill at once (SIGKILL), pause leaves it without an answer (SIGSTOP). start and resume
    return when it is ready again, where it answered before. `list` says how all of them are.
    """
    control = _control(platform)
    if action == "list":
        if names:
            raise UsageFault("`component list` takes no name: it says how all components are")
        states = list(control.states())
    else:
        states = _act(control, action, names)
    sys.stdout.write(_text(states, as_json=as_json))
    return ExitCode.CONFORMANT


def _act(control: "LocalComponents", action: str, names: tuple[str, ...]) -> "list[ComponentState]":
    from harness.platforms.component_state import ACTIONS as KNOWN

    chosen = next(known for known in KNOWN if known == action)
    there = [state.name for state in control.states()]
    unknown = [name for name in names if name not in there]
    if unknown or not names:
        wrong = f"there is no component {unknown[0]!r}" if unknown else f"`component {action}` takes a name"
        raise UsageFault(f"{wrong}; the components are {', '.join(there)}")
    return [control.act(name, chosen) for name in names]


def _control(file: Path | None) -> "LocalComponents":
    from harness.platforms.components import LocalComponents
    from harness.platforms.platform import Platform

    path = file or _only_platform()
    control = LocalComponents.of(Platform.load(path))
    if control is None:
        raise UsageFault(f"the platform of {path} is not an embedded one, so its components are not ours to stop")
    return control


def _only_platform() -> Path:
    """The file of the platform that `up` holds open. Raises UsageFault when there is none, or more than one.

    One that a run judges is left alone: it is taken by name only.
    """
    from harness.platforms.detached import held_runs
    from harness.platforms.lease import PLATFORM_FILE

    files = [file for run in held_runs() if (file := run.folder / "state" / PLATFORM_FILE).is_file()]
    if not files:
        raise UsageFault("no platform is running on this machine: start one with `maas-conformance up --detach`")
    if len(files) > 1:
        raise UsageFault(f"{len(files)} platforms are running: name one with --platform {' or '.join(map(str, files))}")
    return files[0]


def _text(states: "list[ComponentState]", *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"components": [state.model_dump() for state in states]}, indent=2) + "\n"
    width = max(len(state.name) for state in states)
    lines = [f"{state.name:<{width}}  {state.state:<8}{_note(state)}" for state in states]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _note(state: "ComponentState") -> str:
    took = "" if state.seconds is None else f"  after {state.seconds:.2f} s"
    return (f"  process {state.pid}" if state.pid and state.state != "stopped" else "") + took
