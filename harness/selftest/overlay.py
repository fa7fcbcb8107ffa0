"""Running a component with one seam replaced: the component's own code is unchanged and knows nothing of it."""

import inspect
import sys
from collections.abc import Callable
from typing import Any, NoReturn
from unittest.mock import patch


def run_with(owner: object, name: str, replacement: Any, main: Callable[[], Any]) -> NoReturn:
    """Run a component's `main` while `owner.name` is something else, and end the process as `main` would.

    Raises AttributeError where the seam is gone, and TypeError where it is called with more than the replacement takes: a
    component that answers with faults of the overlay must not pass for one that breaks a promise.
    """
    original = getattr(owner, name)
    if callable(original):
        must_stand_in(original, replacement)
    with patch.object(owner, name, replacement):
        sys.exit(main())


def edited(code: str, words: str, instead: str) -> str:
    """A component's script with one place of it changed. Raises ValueError where the script no longer says so."""
    if words not in code:
        raise ValueError(f"the script no longer says {words!r}: adapt the defect that changes it")
    return code.replace(words, instead)


def must_stand_in(original: Callable[..., Any], replacement: Callable[..., Any]) -> None:
    """Raises TypeError unless the replacement can be called in every way that the original can."""
    taken = inspect.signature(replacement)
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(original).parameters.values()
    named = {each.name: None for each in parameters if each.kind is each.KEYWORD_ONLY}
    try:
        taken.bind(*(None for each in parameters if each.kind in positional), **named)
    except TypeError as changed:
        raise TypeError(
            f"the seam {original.__qualname__} has changed ({changed}): adapt the defect that replaces it"
        ) from changed
