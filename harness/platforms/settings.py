"""`--set KEY=VALUE`, checked: an unknown key is a mistake that must not pass in silence."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final, get_args

from harness.outcome import UsageFault
from harness.platforms.platform import Admission
from harness.platforms.target import TargetOptions

ADMISSION: Final = (
    "how the platform admits requests: check-then-report, reservation or estimate; default: it is measured"
)
LONGEST_S: Final = 86_400.0
_TRUE = frozenset({"true", "yes", "1", "on"})
_FALSE = frozenset({"false", "no", "0", "off"})


def require_known(settings: Mapping[str, str], known: Mapping[str, str], target: str) -> None:
    """Raise UsageFault when a setting is none of this target's; `known` maps a key to what it means."""
    for key in settings:
        if key in known:
            continue
        near = get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it knows {', '.join(sorted(known))}"
        raise UsageFault(f"the target {target} has no setting {key!r}; {hint}")


def require_reference_stack(options: TargetOptions) -> None:
    """Raise UsageFault when another stack than the reference platform is asked of a target that installs that one alone."""
    if options.stack != "reference":
        raise UsageFault(
            f"the target {options.target} installs the reference platform; a stack {options.stack!r} is judged where it is installed: "
            "--target cluster --kubeconfig FILE --gateway URL"
        )


def switch(settings: Mapping[str, str], key: str, *, default: bool) -> bool:
    """A setting that is on or off. Raises UsageFault for any other word."""
    text = settings.get(key)
    if text is None:
        return default
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise UsageFault(f"the setting {key} is true or false, came {text!r}")


def seconds(settings: Mapping[str, str], key: str, *, default: float) -> float:
    """A setting that is a time. Raises UsageFault for what is no number, or none above 0 and below `LONGEST_S`."""
    text = settings.get(key)
    if text is None:
        return default
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 < found <= LONGEST_S:
        raise UsageFault(
            f"the setting {key} is a number of seconds above 0, at most {LONGEST_S:g} (a day), came {text!r}"
        )
    return found


def admission_model(settings: Mapping[str, str]) -> Admission | None:
    """The setting `admission`; None where it is not given. Raises UsageFault for a model that nobody has."""
    text = settings.get("admission")
    known: tuple[Admission, ...] = get_args(Admission)
    found = next((model for model in known if model == text), None)
    if text is not None and found is None:
        raise UsageFault(f"the setting admission is {', '.join(known[:-1])} or {known[-1]}, came {text!r}")
    return found
