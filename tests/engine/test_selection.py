"""What runs, what is refused, and in which order."""

import pytest

from harness.engine.events import CheckPlanned, CheckStarted, RunStarted, SuiteCollected
from harness.outcome import ExitCode
from tests.engine.conftest import Suite

TWO_AREAS = """
@check("MAAS-LIST-001")
def test_listing():
    \"\"\"The list has the shape of the API.\"\"\"

@check("MAAS-RATE-006")
def test_optional_headers(): pass

@check("MAAS-RATE-001", "MAAS-LIST-024")
def test_both(): pass
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_check_of_an_unknown_requirement_is_refused_in_one_sentence(suite: Suite, workers: str) -> None:
    suite.write("typo", '@check("MAAS-RAET-001")\ndef test_it(): pass\n')
    judged = suite.run("-n", workers)
    assert judged.code == ExitCode.HARNESS
    (problem,) = judged.summary["uncollected"]
    assert "check test_it names MAAS-RAET-001, which the catalogue does not have" in problem["problem"]
    assert "Traceback" not in judged.output


def test_a_profile_selects_and_traceability_sees_the_rest(suite: Suite) -> None:
    suite.write("areas", TWO_AREAS)
    judged = suite.run("--maas-profile", "core")
    ran = {event.check_id.rpartition("::")[2] for event in judged.events if isinstance(event, CheckPlanned)}
    assert ran == {"test_listing", "test_both"}
    (collected,) = [event for event in judged.events if isinstance(event, SuiteCollected)]
    assert [name.rpartition("::")[2] for name in collected.deselected] == ["test_optional_headers"]
    assert (
        judged.summary["requirements"]["covered"] == 3
    )  # LIST-001, RATE-001, LIST-024; RATE-006 is an option, not core
    assert judged.summary["requirements"]["total"] == 245


def test_an_area_selects_every_check_that_proves_something_of_it(suite: Suite) -> None:
    suite.write("areas", TWO_AREAS)
    judged = suite.run("--maas-area", "model-listing")
    ran = {event.check_id.rpartition("::")[2] for event in judged.events if isinstance(event, CheckPlanned)}
    assert ran == {"test_listing", "test_both"}


def test_a_requirement_selects_the_checks_that_prove_it(suite: Suite) -> None:
    suite.write("areas", TWO_AREAS)
    judged = suite.run("--maas-requirement", "maas-list-024", "--maas-requirement", "MAAS-RATE-006")
    ran = {event.check_id.rpartition("::")[2] for event in judged.events if isinstance(event, CheckPlanned)}
    assert ran == {"test_optional_headers", "test_both"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--maas-requirement", "MAAS-RAET-001"),
            "no requirement 'MAAS-RAET-001' in the catalogue; did you mean MAAS-",
        ),
        (("--maas-area", "listing"), "no area 'listing' in the catalogue; there are admission, api-keys"),
        (("--maas-profile", "gold"), "no profile 'gold'; there are full, smoke, core"),
        (("--maas-target", "moon"), "--maas-target takes one of embedded, kind, cluster, endpoint; got 'moon'"),
        (("--maas-retries", "some"), "--maas-retries takes a number from 0; got 'some'"),
        (("--maas-set", "x"), "--maas-set takes NAME=VALUE; got 'x'"),
    ],
)
def test_a_wrong_value_is_one_sentence(suite: Suite, arguments: tuple[str, ...], words: str) -> None:
    suite.write("areas", TWO_AREAS)
    judged = suite.run(*arguments)
    assert judged.code == pytest.ExitCode.USAGE_ERROR
    assert words in judged.output
    assert "Traceback" not in judged.output


def test_nothing_selected_is_a_fault_of_usage(suite: Suite) -> None:
    suite.write("areas", TWO_AREAS)
    judged = suite.run("-k", "nonsense")
    assert judged.code == ExitCode.USAGE
    assert judged.summary["verdict"] == "no check matches the selection"


def test_titles_come_from_docstring_or_name(suite: Suite) -> None:
    suite.write(
        "titles",
        TWO_AREAS + '@check("MAAS-LIST-002")\n@pytest.mark.parametrize("n", [7])\ndef test_many_items(n): pass\n',
    )
    titles = {event.title for event in suite.run().events if isinstance(event, CheckPlanned)}
    assert titles == {"The list has the shape of the API", "optional headers", "both", "many items [7]"}


def test_one_parameter_may_prove_another_requirement(suite: Suite) -> None:
    suite.write(
        "params",
        '@pytest.mark.parametrize("n", [pytest.param(1, marks=check("MAAS-LIST-001")), '
        'pytest.param(2, marks=check("MAAS-LIST-002"))])\ndef test_it(n): pass\n',
    )
    planned = [event for event in suite.run().events if isinstance(event, CheckPlanned)]
    assert [event.requirements for event in planned] == [("MAAS-LIST-001",), ("MAAS-LIST-002",)]


def test_environment_variables_stand_in_for_options(suite: Suite) -> None:
    suite.write("areas", TWO_AREAS)
    judged = suite.run(MAAS_AREA="model-listing,token-rate-limits", MAAS_PROFILE="core")
    assert judged.summary["profile"] == "core"
    assert judged.summary["passed"] == 2


CANARY = """
@check("MAAS-LIST-001")
@pytest.mark.parametrize("n", range(6))
def test_other(n): pass

@check("MAAS-RATE-001", canary=True)
def test_canary():
    time.sleep(0.5)  # long enough for the others to overtake it, were they not held
    {verdict}
"""


@pytest.mark.parametrize("workers", ["0", "3"])
def test_the_canary_runs_alone_and_first(suite: Suite, workers: str) -> None:
    suite.write("order", CANARY.format(verdict="pass"))
    events = suite.run("-n", workers).events
    starts = {event.check_id.rpartition("::")[2]: event.at for event in events if isinstance(event, CheckStarted)}
    assert min(at for name, at in starts.items() if name != "test_canary") >= starts["test_canary"] + 0.5
    assert len(starts) == 7


def test_a_failed_canary_is_told_first_and_loudly_and_the_rest_still_runs(suite: Suite) -> None:
    suite.write(
        "order",
        CANARY.format(verdict="raise NotConformant(expected='429', observed='200', detail='no usage in responses')"),
    )
    judged = suite.run("-n", "2")
    assert (judged.code, judged.summary["passed"]) == (ExitCode.NOT_CONFORMANT, 6)
    told = judged.output.partition("MaaS conformance")[2].splitlines()[1]
    assert told.startswith("!!! THE CANARY FAILED")
    assert "no usage in responses" in told


def test_a_profile_without_the_canarys_requirement_keeps_the_canary(suite: Suite) -> None:
    suite.write("order", CANARY.format(verdict="pass"))
    judged = suite.run("--maas-area", "model-listing")
    assert judged.summary["passed"] == 7


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_seed_shuffles_the_same_way_every_time_and_reports_name_it(suite: Suite, workers: str) -> None:
    suite.write("many", "".join(f'@check("MAAS-LIST-001")\ndef test_{number}(): pass\n' for number in range(9)))

    def order(*arguments: str) -> tuple[list[str], int | None]:
        judged = suite.run("-n", workers, *arguments)
        assert judged.code == ExitCode.CONFORMANT, judged.output
        planned = [event.check_id.rpartition("_")[2] for event in judged.events if isinstance(event, CheckPlanned)]
        (started,) = [event for event in judged.events if isinstance(event, RunStarted)]
        return planned, started.seed

    files = [str(number) for number in range(9)]
    assert order() == (files, None)
    shuffled, seed = order("--maas-seed", "7")
    assert seed == 7
    assert shuffled != files
    assert sorted(shuffled) == files
    assert order("--maas-seed", "7") == (shuffled, 7)


def test_checks_by_an_official_client_follow_the_canary_together(suite: Suite) -> None:
    suite.write("a", '@check("MAAS-LIST-001")\ndef test_first(): pass\n')
    via = '@pytest.mark.parametrize("via", ["http", "openai", "anthropic"])\n'
    suite.write("b", f'import pytest\n{via}@check("MAAS-LIST-001")\ndef test_via(via): pass\n')
    suite.write("c", CANARY.format(verdict="pass"))
    planned = [event.check_id for event in suite.run("-n", "1").events if isinstance(event, CheckPlanned)]
    names = [name.rpartition("test_")[2] for name in planned[:4]]
    assert names == ["canary", "via[openai]", "via[anthropic]", "first"]
