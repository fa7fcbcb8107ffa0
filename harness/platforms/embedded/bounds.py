"""How soon an embedded platform keeps its promises: far sooner than a cluster may, and a check of a broken one waits its bound out.

The defaults leave tens of times what is seen on an idle machine, so that a busy one raises no false alarm.
"""

from collections.abc import Mapping
from typing import Final

from harness.platforms.platform import Parameters
from harness.platforms.settings import seconds

METRICS_S: Final = 10.0
"""Nobody scrapes in intervals here: a counter is read from the limiter itself, a fraction of a second after the answer."""
REVOCATION_S: Final = 20.0
"""The authorizer remembers for half a second and the management API for one (`topology.py`); a watch takes a fraction of one."""
EMBEDDED: Final = Parameters(metrics_bound_s=METRICS_S, revocation_bound_s=REVOCATION_S)
BOUND_SETTINGS: Final[Mapping[str, str]] = {
    "metrics-bound": f"seconds in which a charge is visible in the counters; default {METRICS_S:g}",
    "revocation-bound": f"seconds in which access that was taken away is refused; default {REVOCATION_S:g}",
}


def bounds_in(settings: Mapping[str, str]) -> Parameters:
    """The bounds by which checks judge this platform. Raises UsageFault for what is no time."""
    return Parameters(
        metrics_bound_s=seconds(settings, "metrics-bound", default=EMBEDDED.metrics_bound_s),
        revocation_bound_s=seconds(settings, "revocation-bound", default=EMBEDDED.revocation_bound_s),
    )
