"""What the command lines of the gateway's processes share."""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from harness.simulator import component

ADMISSIONS = ("check-then-report", "reservation", "estimate")
LEVELS = ("debug", "info", "warning", "error")


class ConfigurationError(Exception):
    """The environment does not allow a start; the text says what was expected, what came, and what to do."""


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """A parser with the options that every component has."""
    line = argparse.ArgumentParser(
        prog=f"python -m harness.simulator.gateway.{name}".rstrip("."), description=description
    )
    line.add_argument(
        "--bind", default="127.0.0.1:0", metavar="HOST:PORT", help="where to listen; port 0: any free one"
    )
    line.add_argument("--ready-file", type=Path, help="written last, when every endpoint accepts connections")
    line.add_argument("--log-level", choices=LEVELS, default="info")
    return line


def patience(text: str) -> float:
    """Seconds of an option, above 0 and at most 60. Raises argparse.ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 60:
        raise argparse.ArgumentTypeError(f"expected seconds above 0 and at most 60, got {text!r}")
    return seconds


def address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` (`[HOST]:PORT` for IPv6). Raises ConfigurationError."""
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65_535:
        raise ConfigurationError(f"expected HOST:PORT with a port of 0 to 65535, got {text!r}")
    return host.strip("[]"), int(port)


def start_logging(level: str) -> None:
    """Log to standard error, one line an event."""
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for library in ("httpx", "httpcore", "httpx2", "httpcore2", "hpack", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)  # their lines carry URLs and headers


def exit_code(name: str, work: Callable[[], None]) -> int:
    """Run a component; a start that fails for a known reason is one sentence and 3."""
    if os.environ.get("MAAS_DIE_WITH_PARENT") == "1":
        component.die_with_parent()
    try:
        work()
    except (ConfigurationError, OSError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 3
    except BaseExceptionGroup as group:
        known, other = group.split((ConfigurationError, OSError))
        if known is None or other is not None:
            raise
        sys.stderr.write(f"{name}: {first_of(known)}\n")
        return 3
    return 0


def first_of(group: BaseException) -> BaseException:
    """The first exception inside groups of groups."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
