"""The root command: loads a subcommand only when it is named, so that `--help` is instant, and ends every fault in one place."""

import importlib
import os
import sys
import traceback
from collections.abc import Mapping
from typing import Final

import click

from harness.outcome import ExitCode, Fault

SUBCOMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "run": ("harness.cli.run", "Run the conformance checks against a platform."),
    "plan": ("harness.cli.plan", "Say what a run would do, without touching anything."),
    "explain": ("harness.cli.explain", "Explain a requirement or a check, and how to read a failure."),
    "report": ("harness.cli.report", "Make the reports of a run again, join shards, sign, export."),
    "verify": ("harness.cli.verify", "Say whether a report would be accepted, and otherwise why not."),
    "diff": ("harness.cli.diff", "Say what changed between two reports."),
    "up": ("harness.cli.up", "Start a MaaS platform on this machine and say how to use it."),
    "down": ("harness.cli.down", "Stop the platform that `up --detach` started."),
    "diagnose": ("harness.cli.diagnose", "Say why a model cannot be used, and what mends it."),
    "component": ("harness.cli.component", "Stop or start a component of the platform that `up` started."),
    "load": ("harness.cli.load", "Drive a load profile and end with a verdict."),
    "doctor": ("harness.cli.doctor", "Say what this machine can run, and what is missing."),
    "selftest": ("harness.cli.selftest", "Break the platform in each known way and show that the checks notice."),
    "clean": ("harness.cli.clean", "Remove what killed runs left behind."),
}


class Root(click.Group):
    """A group that knows its subcommands by name before it imports them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of a person's work rather than the alphabet's."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one subcommand; its click command is called `command`."""
        if cmd_name not in SUBCOMMANDS:
            return None
        command = importlib.import_module(SUBCOMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in SUBCOMMANDS.items()])


@click.command(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="maas-conformance")
def root() -> None:
    """Prove that a Models-as-a-Service platform does what it promises.

    Exit codes: 0 conformant or passed, 1 not conformant or target missed, 2 usage, 3 environment not ready, 4 fault of the
    harness, 5 invalid (nothing can be concluded).
    """


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    try:
        result = root.main(args=arguments, prog_name="maas-conformance", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("interrupted\n")
        return ExitCode.INVALID
    except Fault as fault:
        sys.stderr.write(f"maas-conformance: {fault}\n")
        return fault.code
    except Exception as error:  # noqa: BLE001 - the last line of defence: whatever is left is our own fault, and is said so
        if os.environ.get("MAAS_CONFORMANCE_DEBUG"):
            traceback.print_exc()
        sys.stderr.write(
            f"maas-conformance: fault of the harness: {type(error).__name__}: {error} "
            "(set MAAS_CONFORMANCE_DEBUG=1 for the traceback, and please report it)\n"
        )
        return ExitCode.HARNESS
    return int(result) if isinstance(result, int) else ExitCode.CONFORMANT
