"""`--quirks` of the gateway's parts: weaknesses of upstream to repeat, each by the requirement that tells of it."""

import argparse
from collections.abc import Callable
from enum import Enum
from typing import TypeVar

E = TypeVar("E", bound=Enum)


def option(known: type[E]) -> Callable[[str], frozenset[E]]:
    """Reads `none`, `upstream` for all, or requirement ids with commas between; argparse shows what is known when it cannot."""

    def read(text: str) -> frozenset[E]:
        if text in {"none", ""}:
            return frozenset()
        if text == "upstream":
            return frozenset(known)
        try:
            return frozenset(known(part.strip()) for part in text.split(","))
        except ValueError as error:
            names = ", ".join(str(quirk.value) for quirk in known)
            raise argparse.ArgumentTypeError(f"expected none, upstream, or some of {names}, came {text!r}") from error

    return read
