"""What a test worker loads while the canary sings: nobody else may run then, and the first check to call by a library would pay for it."""

import gc
from collections import Counter
from collections.abc import Iterable
from typing import Final

import pytest

from harness.client.official import OFFICIAL, load_library

MANY: Final = 16
"""Checks over one library from which on nearly every worker meets it; fewer stay with a worker or two."""


def libraries_of(items: Iterable[pytest.Item]) -> tuple[str, ...]:
    """Libraries of the official clients over which many of these checks call; a check says it by its parameter `via`."""
    specs = (getattr(item, "callspec", None) for item in items)
    calls = Counter(spec.params.get("via") for spec in specs if spec is not None)
    return tuple(sorted(name for name in OFFICIAL if calls[name] >= MANY))


def preload(libraries: Iterable[str]) -> None:
    """Load them now rather than with the first call; they stay, so garbage collections need not look at them."""
    for name in libraries:
        load_library(name)
    gc.freeze()
