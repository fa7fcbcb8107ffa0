"""Deleting many objects: in the reverse of the waves of applying, those of one wave together."""

import threading
from typing import cast

from harness.kube.apply import delete_all
from harness.kube.cluster import Cluster
from harness.kube.manifest import Ref

NAMESPACE = Ref("v1", "Namespace", "n")
ACCOUNT = Ref("v1", "ServiceAccount", "a", "n")
POLICIES = (Ref("example.com/v1", "Policy", "p", "n"), Ref("example.com/v1", "Policy", "q", "n"))


class Deleting:
    """A cluster that notes deletions, and holds that of a policy until the other policy's has arrived as well."""

    def __init__(self, absent: Ref | None = None) -> None:
        self.deleted: list[Ref] = []
        self._absent = absent
        self._together = threading.Barrier(len(POLICIES), timeout=30)

    def delete(self, ref: Ref) -> bool:
        if ref in POLICIES:
            self._together.wait()
        self.deleted.append(ref)
        return ref != self._absent


def test_what_was_applied_last_goes_first_and_a_wave_goes_together() -> None:
    cluster = Deleting()
    assert delete_all(cast("Cluster", cluster), [NAMESPACE, ACCOUNT, *POLICIES]) == [
        *POLICIES[::-1],
        ACCOUNT,
        NAMESPACE,
    ]
    assert set(cluster.deleted[:2]) == set(POLICIES)
    assert cluster.deleted[2:] == [ACCOUNT, NAMESPACE]


def test_what_was_gone_already_is_left_out() -> None:
    assert delete_all(cast("Cluster", Deleting(absent=ACCOUNT)), [ACCOUNT, *POLICIES]) == list(POLICIES[::-1])
