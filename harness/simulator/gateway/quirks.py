"""`--quirks` for argparse, which shows the text of one type of error alone."""

import argparse
from collections.abc import Callable

from harness.simulator.quirks import E, reader


def option(known: type[E]) -> Callable[[str], frozenset[E]]:
    """What argparse calls to read `--quirks`."""
    read = reader(known)

    def convert(text: str) -> frozenset[E]:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert
