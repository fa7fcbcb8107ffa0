"""Waiting for an answer of the platform to change, for the few things that no object's status announces.

Only calls that cost no quota may be repeated here, or such as burn a budget that the check does not count. The time between
them grows, and the bound has the name that reports quote.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from harness.kube.wait import Bound

_T = TypeVar("_T")
_FIRST_S = 0.01
_LONGEST_S = 0.5


def until(probe: Callable[[], _T], holds: Callable[[_T], bool], bound: Bound) -> tuple[_T, float]:
    """Repeat until it holds or the bound has passed; the last answer, and the seconds it took.

    The caller judges which of the two it was.
    """
    started = time.monotonic()
    pause = threading.Event()  # waited on and never set: the thread's own timer
    delay = _FIRST_S
    while True:
        answer = probe()
        elapsed = time.monotonic() - started
        if holds(answer) or elapsed >= bound.seconds:
            return answer, elapsed
        pause.wait(min(delay, bound.seconds - elapsed))
        delay = min(delay * 1.5, _LONGEST_S)
