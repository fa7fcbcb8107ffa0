"""How a platform admits requests is a setting: of the embedded one a choice, of any other a declaration."""

from pathlib import Path

import pytest

from harness.outcome import UsageFault
from harness.platforms.embedded.plan import Plan
from harness.platforms.embedded.settings import EmbeddedSettings
from harness.platforms.embedded.topology import COMPONENTS
from harness.platforms.settings import admission_model


@pytest.mark.parametrize("model", ["check-then-report", "reservation", "estimate"])
def test_each_model_can_be_chosen_and_declared(model: str) -> None:
    assert EmbeddedSettings.read({"admission": model}, "mock").admission == model
    assert admission_model({"admission": model}) == model


def test_without_the_setting_the_embedded_platform_looks_back_and_another_one_is_measured() -> None:
    assert EmbeddedSettings.read({}, "mock").admission == "check-then-report"
    assert admission_model({}) is None


def test_a_model_that_nobody_has_is_refused_in_one_sentence() -> None:
    with pytest.raises(
        UsageFault, match="the setting admission is check-then-report, reservation or estimate, came 'guess'"
    ):
        EmbeddedSettings.read({"admission": "guess"}, "mock")


def test_the_limiter_and_the_gateway_are_told_the_same() -> None:
    plan = Plan(private=Path("/nowhere"), crds=(), listeners=(), admission="reservation")
    ready = {
        "authorizer": {"grpc": "127.0.0.1:1", "admin": "http://127.0.0.1:2"},
        "limiter": {"grpc": "127.0.0.1:3", "admin": "http://127.0.0.1:4"},
    }
    told = {
        component.name: list(component.part(plan).arguments(ready))
        for component in COMPONENTS
        if component.name in ("limiter", "gateway")
    }
    for words in told.values():
        assert words[words.index("--admission") + 1] == "reservation"
    assert set(told) == {"limiter", "gateway"}
