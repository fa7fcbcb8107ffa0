"""The durations that the controllers' options take."""

import click
import pytest

from harness.simulator.controllers.command import duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("10m", 600), ("90s", 90), ("1h30m", 5400), ("1.5s", 1.5), ("250ms", 0.25)]
)
def test_a_timeout_is_a_duration(text: str, seconds: float) -> None:
    assert duration(text, "--deletion-timeout") == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "10 m", "ten minutes", "-1s"])
def test_a_timeout_that_is_none_is_a_usage_fault(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected a duration such as 10m"):
        duration(text, "--deletion-timeout")
