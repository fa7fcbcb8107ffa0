"""The controller runtime: memory that keeps order, a queue that loses nothing, writes that change only what differs."""

import asyncio
from typing import Any

import pytest

from harness.simulator.controllers.runtime.condition import Condition, holds, update
from harness.simulator.controllers.runtime.difference import contains, merge_patch, replacement, stamped
from harness.simulator.controllers.runtime.manifest import Key
from harness.simulator.controllers.runtime.queue import WorkQueue
from harness.simulator.controllers.runtime.store import Store


def thing(name: str, version: int, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns", "resourceVersion": str(version)}, "spec": spec}


class TestStore:
    def test_an_older_version_is_no_news(self) -> None:
        store = Store()
        store.observe(thing("a", 5, x=1))
        assert store.observe(thing("a", 4, x=0)) is None
        assert store.get(Key("ns", "a"))["spec"] == {"x": 1}

    def test_the_answer_of_a_write_does_not_resurrect_what_was_deleted_meanwhile(self) -> None:
        store = Store()
        store.observe(thing("a", 5))
        assert store.forget(Key("ns", "a"), 9) is not None
        assert store.observe(thing("a", 8)) is None
        assert store.get(Key("ns", "a")) is None

    def test_a_later_incarnation_is_news(self) -> None:
        store = Store()
        store.forget(Key("ns", "a"), 9)
        assert store.observe(thing("a", 10)) is not None

    def test_a_deletion_of_an_earlier_incarnation_does_not_remove_the_later_one(self) -> None:
        store = Store()
        store.observe(thing("a", 12))
        assert store.forget(Key("ns", "a"), 9) is None
        assert store.get(Key("ns", "a")) is not None

    def test_a_list_removes_what_it_lacks_but_not_what_is_younger(self) -> None:
        store = Store()
        store.observe(thing("old", 3))
        store.observe(thing("young", 30))
        changes = store.replace([thing("listed", 5)], 20)
        assert {found["metadata"]["name"] for found in store.all()} == {"listed", "young"}
        assert len(changes) == 2

    def test_an_index_follows_every_change(self) -> None:
        store = Store({"colour": lambda manifest: [manifest["spec"].get("colour")]})
        store.observe(thing("a", 1, colour="red"))
        store.observe(thing("b", 2, colour="red"))
        store.observe(thing("a", 3, colour="blue"))
        assert [m["metadata"]["name"] for m in store.by("colour", "red")] == ["b"]
        store.forget(Key("ns", "b"), 4)
        assert store.by("colour", "red") == []
        assert [m["metadata"]["name"] for m in store.by("colour", "blue")] == ["a"]

    def test_an_index_added_later_knows_what_was_there(self) -> None:
        store = Store()
        store.observe(thing("a", 1, colour="red"))
        store.add_index("colour", lambda manifest: [manifest["spec"]["colour"]])
        assert len(store.by("colour", "red")) == 1

    def test_two_meanings_of_an_index_are_refused(self) -> None:
        store = Store({"x": lambda _: []})
        with pytest.raises(ValueError, match="index x is taken"):
            store.add_index("x", lambda _: [1])


class TestQueue:
    def test_a_key_waits_once(self) -> None:
        async def scenario() -> int:
            queue: WorkQueue[str] = WorkQueue()
            queue.add("a")
            queue.add("a")
            return len(queue)

        assert asyncio.run(scenario()) == 1

    def test_a_key_added_while_it_is_worked_on_runs_again_and_never_twice_at_a_time(self) -> None:
        async def scenario() -> tuple[int, int, str]:
            queue: WorkQueue[str] = WorkQueue()
            queue.add("a")
            key = await queue.take()
            queue.add("a")
            during = len(queue)
            queue.done(key)
            return during, len(queue), await queue.take()

        assert asyncio.run(scenario()) == (0, 1, "a")

    def test_patience_doubles_and_is_forgiven(self) -> None:
        async def scenario() -> list[float]:
            queue: WorkQueue[str] = WorkQueue()
            pauses = [queue.retry("a"), queue.retry("a"), queue.retry("a")]
            queue.forgive("a")
            pauses.append(queue.retry("a"))
            queue.close()
            return pauses

        assert asyncio.run(scenario()) == [0.01, 0.02, 0.04, 0.01]

    def test_patience_has_an_end(self) -> None:
        async def scenario() -> float:
            queue: WorkQueue[str] = WorkQueue()
            pause = max(queue.retry("a") for _ in range(40))
            queue.close()
            return pause

        assert asyncio.run(scenario()) == 30.0

    def test_of_two_delays_the_earlier_counts(self) -> None:
        async def scenario() -> str:
            queue: WorkQueue[str] = WorkQueue()
            queue.add_after("a", 60)
            queue.add_after("a", 0.0)
            queue.add_after("a", 60)
            return await asyncio.wait_for(queue.take(), 60)

        assert asyncio.run(scenario()) == "a"


class TestConditions:
    def test_the_transition_time_moves_only_with_the_status(self) -> None:
        first = update([], [Condition("Ready", "True", "A", "", 1)], "t1")
        second = update(first, [Condition("Ready", "True", "B", "new words", 2)], "t2")
        third = update(second, [Condition("Ready", "False", "C", "", 3)], "t3")
        assert [entry[0]["lastTransitionTime"] for entry in (first, second, third)] == ["t1", "t1", "t3"]
        assert second[0]["message"] == "new words"

    def test_conditions_of_others_stay(self) -> None:
        before = [{"type": "Theirs", "status": "True"}]
        assert {entry["type"] for entry in update(before, [Condition("Ours", "True", "A", "", 1)], "t")} == {
            "Theirs",
            "Ours",
        }

    @pytest.mark.parametrize(("observed", "wanted", "expected"), [(3, 3, True), (3, 4, False), (4, 3, True)])
    def test_a_condition_counts_only_for_the_generation_it_saw(
        self, observed: int, wanted: int, expected: bool
    ) -> None:
        entry = {"type": "Ready", "status": "True", "observedGeneration": observed}
        assert holds([entry], "Ready", wanted) is expected

    def test_an_absent_or_false_condition_does_not_hold(self) -> None:
        assert not holds([], "Ready")
        assert not holds([{"type": "Ready", "status": "False"}], "Ready")


class TestDifference:
    def desired(self, **spec: Any) -> dict[str, Any]:
        return {"kind": "Thing", "metadata": {"name": "a", "namespace": "ns", "labels": {"ours": "1"}}, "spec": spec}

    def test_nothing_is_written_when_only_others_added_something(self) -> None:
        live = stamped(self.desired(x={"y": 1}))
        live["spec"]["x"]["defaulted"] = True
        live["metadata"]["labels"]["theirs"] = "2"
        assert replacement(live, self.desired(x={"y": 1})) is None

    def test_a_changed_field_is_written_and_foreign_metadata_stays(self) -> None:
        live = stamped(self.desired(x=1))
        live["metadata"]["labels"]["theirs"] = "2"
        wanted = replacement(live, self.desired(x=2))
        assert wanted is not None
        assert wanted["spec"] == {"x": 2}
        assert wanted["metadata"]["labels"] == {"ours": "1", "theirs": "2"}

    def test_a_field_that_is_no_longer_wished_goes(self) -> None:
        wanted = replacement(stamped(self.desired(x=1, y=2)), self.desired(x=1))
        assert wanted is not None
        assert wanted["spec"] == {"x": 1}

    def test_an_added_entry_in_a_closed_map_is_drift(self) -> None:
        live = stamped(self.desired(limits={"a": 1}))
        live["spec"]["limits"]["by-hand"] = 9
        assert replacement(live, self.desired(limits={"a": 1})) is None
        wanted = replacement(live, self.desired(limits={"a": 1}), closed=("spec.limits",))
        assert wanted is not None
        assert wanted["spec"]["limits"] == {"a": 1}

    def test_lists_are_compared_by_place_and_length(self) -> None:
        assert contains([{"a": 1, "extra": 2}], [{"a": 1}])
        assert not contains([{"a": 1}, {"b": 2}], [{"a": 1}])

    def test_a_service_keeps_its_address(self) -> None:
        desired = {"kind": "Service", "metadata": {"name": "a", "namespace": "ns"}, "spec": {"ports": [1]}}
        live = stamped(desired) | {"kind": "Service"}
        live["spec"] = {"ports": [2], "clusterIP": "10.0.0.1"}
        wanted = replacement(live, desired)
        assert wanted is not None
        assert wanted["spec"] == {"ports": [1], "clusterIP": "10.0.0.1"}

    def test_the_merge_patch_says_only_what_differs(self) -> None:
        before = {"phase": "Pending", "endpoint": "x", "same": {"a": 1}, "deep": {"a": 1, "b": 2}}
        after = {"phase": "Ready", "same": {"a": 1}, "deep": {"a": 1, "b": 3}}
        assert merge_patch(before, after) == {"endpoint": None, "phase": "Ready", "deep": {"b": 3}}
        assert merge_patch(after, after) == {}
