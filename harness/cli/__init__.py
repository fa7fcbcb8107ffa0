"""The command `maas-conformance`: one module per subcommand, and one place where faults become a sentence and an exit code."""

import io
import sys

from harness.outcome import ExitCode


def main() -> None:
    """Run the command line; never a traceback for a person's mistake, nor for their Ctrl-C."""
    if sys.version_info < (3, 11):  # noqa: UP036 - pip refuses too, but a copied checkout may be started by any Python
        sys.stderr.write(f"maas-conformance needs Python 3.11 or newer; this is {sys.version.split()[0]}\n")
        raise SystemExit(ExitCode.ENVIRONMENT)
    try:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a character must not end a run
                stream.reconfigure(errors="backslashreplace")
        from harness.cli.command import run

        code = run()
    except KeyboardInterrupt:  # most of a start is imports, and a traceback of theirs says nothing to anybody
        sys.stderr.write("interrupted\n")
        code = ExitCode.INVALID
    raise SystemExit(code)
