"""A selection that chooses nothing is told at once: exit 2, one sentence, nothing written and nothing started."""

from pathlib import Path

import pytest

from harness.cli.choice import Choice, refuse_empty, written
from harness.outcome import ExitCode, UsageFault
from harness.platforms.lease import STATE_HOME_VARIABLE
from tests.command_line import maas


def given(
    expression: str | None = None, profile: str | None = None, area: str = "", requirement: str = ""
) -> dict[str, object]:
    """As click reads the options."""
    return {
        "expression": expression,
        "profile": profile,
        "area": (area,) if area else (),
        "requirement": (requirement,) if requirement else (),
    }


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("-k", "nosuch"), "-k 'nosuch' matches no check: `maas-conformance plan` lists their names"),
        (
            ("--requirement", "MAAS-KEY-107"),
            "no check is chosen by --requirement MAAS-KEY-107: `maas-conformance explain MAAS-KEY-107`",
        ),
        (
            ("--requirement", "MAAS-KEY-001", "-k", "nosuch"),
            "no check is chosen by --requirement MAAS-KEY-001 -k 'nosuch'",
        ),
        (("--area", "gateway", "--requirement", "MAAS-KEY-001"), "by --area gateway --requirement MAAS-KEY-001"),
        (
            ("--profile", "endpoint", "--requirement", "MAAS-CRD-086"),
            "by --requirement MAAS-CRD-086 --profile endpoint",
        ),
        (
            ("--profile", "endpoint", "-k", "a_tenant_has_a_namespace"),
            "by --profile endpoint -k 'a_tenant_has_a_namespace'",
        ),
    ],
)
def test_a_selection_of_nothing_starts_nothing(
    tmp_path: Path, command: str, options: tuple[str, ...], sentence: str
) -> None:
    home = tmp_path / "home"
    done = maas(command, *options, cwd=tmp_path, **{STATE_HOME_VARIABLE: str(home)})
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    [said] = done.stderr.splitlines()
    assert sentence in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        given("canary"),
        given("a_new_key and not nosuch"),
        given(requirement="maas-key-001"),
        given("keys", requirement="MAAS-KEY-001"),
        given(area="gateway", profile="full"),
        given(profile="endpoint"),
    ],
)
def test_what_the_files_show_needs_no_collection(options: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    def collected(*_: str) -> None:
        raise AssertionError("the suite was collected")

    monkeypatch.setattr("harness.cli.choice.collect", collected)
    refuse_empty(options, [])
    assert any(map(Choice.of(options).takes, written()))


def test_every_check_is_read_with_its_requirements() -> None:
    found = {check.names[-2]: check for check in written()}
    one = found["test_a_new_key_comes_with_all_it_takes_to_use_it"]
    assert one.requirements == ("MAAS-KEY-001", "MAAS-KEY-002", "MAAS-KEY-006")
    assert one.needs == {"kube"}
    assert one.names[:3] == ("scenarios", "keys", "test_api_keys.py")


def test_an_expression_that_is_none_is_one_sentence() -> None:
    with pytest.raises(UsageFault, match="-k 'a and' is no expression"):
        refuse_empty(given("a and"), [])


@pytest.mark.parametrize(
    ("expression", "chooses"),
    [
        ("test_three_times_the_budget", True),
        ("CANARY and not nothing", True),
        ("stopped_components.py", True),
        ("chat-stream-asked", True),
        ("no_such_check or no_such_other", False),
    ],
)
def test_an_expression_is_matched_as_the_run_will_match_it(expression: str, chooses: bool) -> None:
    if chooses:
        refuse_empty(given(expression), ["-k", expression])
        return
    with pytest.raises(UsageFault, match="matches no check"):
        refuse_empty(given(expression), ["-k", expression])
