import gc
from types import SimpleNamespace

import pytest

from harness.engine import preloading
from harness.engine.canary import CanaryGate
from harness.engine.preloading import MANY, libraries_of, preload


def checks(number, **params):
    return [SimpleNamespace(callspec=SimpleNamespace(params=params)) for _ in range(number)]


@pytest.mark.parametrize(
    ("items", "libraries"),
    [
        (checks(MANY, via="openai") + checks(MANY - 1, via="anthropic"), ("openai",)),
        (checks(MANY, via="openai") + checks(MANY, via="anthropic"), ("anthropic", "openai")),
        (checks(2 * MANY, via="http") + checks(MANY, stream=True) + [SimpleNamespace()] * MANY, ()),
    ],
)
def test_libraries_that_many_checks_call_by_are_worth_loading(items, libraries):
    assert libraries_of(items) == libraries


def test_they_are_loaded_by_their_names(monkeypatch):
    loaded = []
    monkeypatch.setattr(preloading, "load_library", loaded.append)
    preload(("anthropic", "openai"))
    assert loaded == ["anthropic", "openai"]


def test_what_is_loaded_is_kept_from_the_garbage_collector():
    before = gc.get_freeze_count()
    try:
        preload(())
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


def test_who_waits_for_the_canary_has_time_for_something_else_once(tmp_path):
    gate, done = CanaryGate(tmp_path / "open"), []

    def meanwhile():
        done.append("something")
        gate.open()

    for _ in range(2):
        gate.wait(meanwhile)
    assert done == ["something"]


def test_an_open_gate_leaves_time_for_nothing(tmp_path):
    gate, done = CanaryGate(tmp_path / "open"), []
    gate.open()
    gate.wait(lambda: done.append("something"))
    assert done == []
