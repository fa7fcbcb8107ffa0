"""`--quirks` of a component: weaknesses of upstream to repeat, each by the requirement that tells of it."""

from collections.abc import Callable
from enum import Enum
from typing import TypeVar

E = TypeVar("E", bound=Enum)


def reader(known: type[E]) -> Callable[[str], frozenset[E]]:
    """A function that reads `none`, `upstream` for all, or requirement ids with commas between, and raises ValueError for others."""

    def read(text: str) -> frozenset[E]:
        if text in {"none", ""}:
            return frozenset()
        if text == "upstream":
            return frozenset(known)
        try:
            return frozenset(known(part.strip()) for part in text.split(","))
        except ValueError as error:
            names = ", ".join(str(quirk.value) for quirk in known)
            raise ValueError(f"expected none, upstream, or some of {names}, came {text!r}") from error

    return read
