"""What is left of a platform when the checks are over: does it still live, and what of ours is still in it?"""

from typing import Final

from harness.engine.reach import answers
from harness.engine.record import RunRecord
from harness.engine.redaction import redact
from harness.kube.cluster import Cluster
from harness.kube.janitor import sweep
from harness.kube.manifest import Ref
from harness.kube.wait import Bound
from harness.platforms.liveness import died
from harness.platforms.platform import Platform

DELETION_BOUND: Final = Bound("deletion_bound_s", 120)


def target_died(platform: Platform, record: RunRecord) -> str | None:
    """One sentence when the platform does not live any more, so that what checks saw says nothing about its promises."""
    dead = died(platform)
    if dead:
        return redact(dead.partition("; the end of")[0])
    finals = [check.final for check in record.having("failed")]
    unreachable = any(final and final.failure and final.failure.blame == "environment" for final in finals)
    if unreachable and not answers(platform.endpoints.gateway):
        return f"the gateway {platform.endpoints.gateway} does not answer any more"
    return None


def sweep_objects(platform: Platform, run_id: str) -> list[Ref]:
    """Remove what checks could not, because a killed worker tears nothing down; returns what was removed.

    Raises Fault when the API does not answer, or something does not go within the bound.
    """
    if platform.kubeconfig is None:
        return []
    return list(sweep(Cluster.connect(platform.kubeconfig), run_id=run_id, bound=DELETION_BOUND))
