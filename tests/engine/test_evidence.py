"""What of a platform's surroundings is worth a reader's time."""

from pathlib import Path
from typing import Any

import pytest

from harness.engine import evidence
from harness.engine.evidence import LOG_LIMIT, LogPosition, object_states
from harness.outcome import EnvironmentFault
from harness.platforms.platform import Endpoints, Platform

OLD, NOW, NEW = "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"


def _platform(**more: Any) -> Platform:
    url = "http://127.0.0.1:9"
    return Platform(target="cluster", stack="installed", endpoints=Endpoints(gateway=url, management=url), **more)


def _object(name: str, created: str, *conditions: tuple[str, str], **status: Any) -> dict[str, Any]:
    entries = [{"type": kind, "status": state, "reason": "Because", "message": "so"} for kind, state in conditions]
    return {
        "kind": "MaaSSubscription",
        "metadata": {"namespace": "models-as-a-service", "name": name, "creationTimestamp": created},
        "status": {"conditions": entries, **status},
    }


class _Cluster:
    def __init__(self, items: list[dict[str, Any]]) -> None:
        self.items = items

    def objects(self, _: str, kind: str) -> list[dict[str, Any]]:
        if kind == "Gateway":
            raise EnvironmentFault("gateways may not be listed")
        return self.items if kind == "MaaSSubscription" else []


def test_objects_that_are_young_or_not_well_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [
        _object("old-and-well", OLD, ("Ready", "True"), ("SpecPriorityDuplicate", "False")),
        _object("old-and-broken", OLD, ("Ready", "False"), phase="Failed"),
        _object("young", NEW, ("Ready", "True")),
    ]
    monkeypatch.setattr(evidence, "connected", lambda _: _Cluster(items))
    states, unavailable = object_states(_platform(kubeconfig=Path("k")), since=NOW)
    assert [state.name for state in states] == ["old-and-broken", "young"]
    assert (states[0].phase, states[0].conditions) == ("Failed", ("Ready=False Because: so",))
    assert unavailable == ("Gateway: gateways may not be listed",)


def test_conditions_of_a_routes_parents_count(monkeypatch: pytest.MonkeyPatch) -> None:
    route = _object("route", OLD, parents=[{"conditions": [{"type": "Accepted", "status": "False"}]}])
    monkeypatch.setattr(evidence, "connected", lambda _: _Cluster([route]))
    states, _ = object_states(_platform(kubeconfig=Path("k")), since=NOW)
    assert states[0].conditions == ("Accepted=False",)


def test_what_was_said_of_an_object_is_shown_with_it_the_latest_last(monkeypatch: pytest.MonkeyPatch) -> None:
    item = _object("young", NEW)
    item["metadata"]["uid"] = "u1"
    told = [
        {"involvedObject": {"uid": uid}, "type": "Warning", "reason": reason, "message": "so", "count": count, **at}
        for uid, reason, count, at in (
            ("u1", "Later", 3, {"lastTimestamp": NEW}),
            ("u1", "Earlier", None, {"eventTime": NOW}),
            ("u2", "Other", 1, {"lastTimestamp": NEW}),
        )
    ]

    class Talkative(_Cluster):
        def objects(self, version: str, kind: str) -> list[dict[str, Any]]:
            return told if kind == "Event" else super().objects(version, kind)

    monkeypatch.setattr(evidence, "connected", lambda _: Talkative([item]))
    (state,), _ = object_states(_platform(kubeconfig=Path("k")), since=NOW)
    assert state.events == ("Warning Earlier (x1): so", "Warning Later (x3): so")


def test_an_api_that_does_not_answer_is_told_and_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise EnvironmentFault("the Kubernetes API does not answer")

    monkeypatch.setattr(evidence, "connected", refuse)
    assert object_states(_platform(kubeconfig=Path("k")), since=NOW) == (
        (),
        ("objects: the Kubernetes API does not answer",),
    )


def test_logs_are_those_of_the_interval_cut_to_their_end_and_masked(tmp_path: Path) -> None:
    log = tmp_path / "limiter.log"
    log.write_text("before\n", encoding="utf-8")
    platform = _platform(logs={"limiter": log, "silent": tmp_path / "silent.log"})
    start = LogPosition.now(platform)
    key = "sk-oai-0123456789abcdef_0123456789abcdefghijklmnop"
    with log.open("a", encoding="utf-8") as file:
        file.write("x" * LOG_LIMIT + f"\nkey {key}\n")
    (taken,) = start.since(platform, ()).items()
    assert taken[0] == "limiter"
    assert "before" not in taken[1]
    assert taken[1].endswith("key sk-oai-<redacted>\n")
    assert len(taken[1]) <= LOG_LIMIT


def test_a_log_that_was_not_there_before_is_taken_whole(tmp_path: Path) -> None:
    log = tmp_path / "late.log"
    platform = _platform(logs={"late": log})
    start = LogPosition.now(platform)
    log.write_text("hello\n", encoding="utf-8")
    assert start.since(platform, ()) == {"late": "hello\n"}


def test_of_a_log_only_what_names_the_check_or_tells_of_trouble_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "authorizer.log"
    log.touch()
    platform = _platform(logs={"authorizer": log})
    position = LogPosition.now(platform)
    mine = "2026-11-22 15:39:06,651 INFO authorizer refused request-1 POST /llm/m: 401\n"
    other = mine.replace("request-1", "request-2")
    object_ = (
        "2026-11-22 15:39:06,700 INFO controller maassubscriptions models-as-a-service/mc-0a1b2c3d-sub1 is Active\n"
    )
    trouble = "2026-11-22 15:39:07,000 WARNING gateway the limiter was started anew\n"
    trace = 'Traceback (most recent call last):\n  File "x.py", line 1\n'
    envoy = "[2026-11-22 15:39:07.1][7][info] all clear\n[2026-11-22 15:39:07.2][7][error] cannot bind\n"
    log.write_text(mine + other + object_ + trouble + trace + envoy, encoding="utf-8")
    shown = position.since(platform, {"request-1", "mc-0a1b2c3d"})["authorizer"]
    assert shown == mine + object_ + trouble + trace + envoy.splitlines(keepends=True)[1]
    log.write_text(other, encoding="utf-8")
    assert position.since(platform, {"request-1"}) == {}
