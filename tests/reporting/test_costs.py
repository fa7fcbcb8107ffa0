"""What a plan predicts from."""

from pathlib import Path

import pytest

from harness.outcome import UsageFault
from harness.reporting.costs import CheckCost, Costs, costs_of, forecast, measured_costs
from tests.reporting.made_up_run import events

PREFIX = "scenarios/quota/test_limits.py::"


def test_costs_are_those_of_checks_that_ran() -> None:
    costs = costs_of(events())
    assert (costs.target, costs.startup_s) == ("embedded", 2.5)
    assert set(costs.checks) == {PREFIX + name for name in ("passes", "fails", "again", "broken")}
    assert costs.checks[PREFIX + "fails"] == CheckCost(seconds=0.5, requests=1, tokens=3)
    assert costs.checks[PREFIX + "again"].seconds == 1.0  # both attempts


def test_a_forecast_divides_among_workers_but_never_below_the_longest_check() -> None:
    costs = Costs("embedded", 2.0, {"a": CheckCost(1.0, 1, 10), "b": CheckCost(3.0, 2, 20), "c": CheckCost(2.0, 3, 30)})
    assert forecast(costs, ["a", "b", "c"], 1).seconds == 8.0
    assert forecast(costs, ["a", "b", "c"], 2).seconds == 5.0
    assert forecast(costs, ["a", "b", "c"], 4).seconds == 5.0
    assert forecast(costs, ["a", "b"], 1).tokens == 30


def test_a_check_that_was_never_measured_counts_as_a_usual_one_and_is_told() -> None:
    costs = Costs("embedded", 0.0, {"a": CheckCost(1.0, 1, 10), "b": CheckCost(3.0, 2, 20), "c": CheckCost(2.0, 3, 30)})
    seen = forecast(costs, ["a", "new"], 1)
    assert (seen.seconds, seen.unmeasured) == (3.0, 1)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match=r"holds no run: there is no journal\.ndjson"):
        measured_costs(tmp_path)
