"""What one look at a platform found."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "wrong", "unknown"]


@dataclass(frozen=True, slots=True)
class Step:
    """One question and its answer. `object` and `field` say where, `mend` is the command that puts it right (empty where none can)."""

    name: str
    state: State
    says: str
    object: str = ""
    field: str = ""
    mend: str = ""


def fine(name: str, says: str, where: str = "") -> Step:
    """Nothing is wrong there."""
    return Step(name, "ok", says, where)


def unknown(name: str, says: str) -> Step:
    """It cannot be seen from here."""
    return Step(name, "unknown", says)
