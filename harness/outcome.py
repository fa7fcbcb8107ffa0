"""How a command can end: one exit code and one type of fault for each, so that no caller can pair them wrongly."""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What a command's exit status means; the numbers are part of the command line's contract."""

    CONFORMANT = 0
    NOT_CONFORMANT = 1
    USAGE = 2
    ENVIRONMENT = 3
    HARNESS = 4
    INVALID = 5


class Fault(Exception):  # noqa: N818 - a fault need not be an error: INVALID says that nothing can be concluded
    """Something that ends a command; its text is one or more plain sentences for the person at the terminal."""

    code: ClassVar[ExitCode] = ExitCode.HARNESS


class UsageFault(Fault):
    """The person's input is wrong: an option, a file, a manifest. Says what was expected, what came, where, what to do."""

    code = ExitCode.USAGE


class EnvironmentFault(Fault):
    """The machine or the cluster lacks something: a port, a binary, a permission, a reachable API."""

    code = ExitCode.ENVIRONMENT


class HarnessFault(Fault):
    """The harness itself is wrong; nothing is said about the platform."""

    code = ExitCode.HARNESS


class InvalidRun(Fault):
    """Nothing can be concluded: the target died, or the load generator was the bottleneck."""

    code = ExitCode.INVALID
