"""Upstream's weaknesses that the embedded reference platform can repeat, and which components have a part in each.

The ids are requirements of the catalogue. Data here rather than imports: the components are processes that refuse ids of others, so each
is told its own alone. docs/quirks.md says what each one does.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

from harness.outcome import UsageFault

MAAS_API: Final = "maas-api"
AUTHORIZER: Final = "authorizer"
CONTROLLER: Final = "maas-controller"
LIMITER: Final = "limiter"
QUIRKS: Final[Mapping[str, tuple[str, ...]]] = {
    "MAAS-LIST-011": (MAAS_API,),
    "MAAS-LIST-021": (MAAS_API,),
    "MAAS-SEC-001": (AUTHORIZER, MAAS_API),
    "MAAS-SEC-006": (MAAS_API,),
    "MAAS-SEC-010": (MAAS_API,),
    "MAAS-AUTH-013": (AUTHORIZER,),
    "MAAS-AUTH-037": (AUTHORIZER,),
    "MAAS-AUTH-064": (MAAS_API,),
    "MAAS-KEY-031": (MAAS_API,),
    "MAAS-KEY-038": (MAAS_API,),
    "MAAS-KEY-055": (MAAS_API,),
    "MAAS-KEY-070": (MAAS_API,),
    "MAAS-KEY-088": (AUTHORIZER,),
    "MAAS-RATE-016": (CONTROLLER,),
    "MAAS-RATE-018": (CONTROLLER, LIMITER),
    "MAAS-RATE-019": (CONTROLLER, LIMITER),
    "MAAS-RATE-025": (AUTHORIZER, CONTROLLER),
    "MAAS-GW-017": (CONTROLLER,),
}
ENTAILED: Final[Mapping[str, tuple[str, ...]]] = {"MAAS-SEC-001": ("MAAS-SEC-002", "MAAS-SEC-003")}
"""Rows that speak of a part of what a weakness opens: whoever repeats it breaks them too. They are no quirks that could be chosen."""


def chosen(text: str) -> tuple[str, ...]:
    """`none`, `upstream` for all, or requirement ids with commas between; in the order of `QUIRKS`.

    Raises UsageFault that names the id which is no quirk and the one that may have been meant.
    """
    if text in {"", "none"}:
        return ()
    if text == "upstream":
        return tuple(QUIRKS)
    wanted = [part.strip() for part in text.split(",")]
    for row in wanted:
        if row not in QUIRKS:
            near = get_close_matches(row.upper(), QUIRKS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageFault(
                f"--quirks takes none, upstream, or some of {', '.join(QUIRKS)} with commas between; {row!r} is no quirk{hint}"
            )
    return tuple(row for row in QUIRKS if row in wanted)


def weaknesses_of(rows: Iterable[str]) -> frozenset[str]:
    """Every requirement that a platform with these quirks must be seen to break."""
    return frozenset(row for quirk in rows for row in (quirk, *ENTAILED.get(quirk, ())))


def arguments_of(component: str, rows: tuple[str, ...]) -> tuple[str, ...]:
    """What this component is told of the chosen quirks; nothing when it has no part in them."""
    own = [row for row in rows if component in QUIRKS[row]]
    return ("--quirks", ",".join(own)) if own else ()
