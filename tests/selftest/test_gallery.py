"""The broken platforms are what they say they are, and the suite notices them."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.outcome import ExitCode
from harness.platforms.embedded.topology import COMPONENTS
from harness.selftest.case import broken
from harness.selftest.gallery import GALLERY, Defect, named
from harness.selftest.overlay import must_stand_in
from harness.selftest.processes import Processes
from harness.selftest.trial import attempt
from harness.spec.catalogue import catalogue

IDS = [defect.name for defect in GALLERY]


def test_every_module_of_defects_is_in_the_gallery() -> None:
    folder = Path(sys.modules["harness.selftest"].__path__[0]) / "defects"
    modules = {file.stem.replace("_", "-") for file in folder.glob("*.py") if file.stem != "__init__"}
    assert modules == set(IDS)


@pytest.mark.parametrize("defect", GALLERY, ids=IDS)
def test_requirements_are_in_the_catalogue(defect: Defect) -> None:
    assert set(defect.requirements) <= {requirement.id for requirement in catalogue()}


@pytest.mark.parametrize("defect", GALLERY, ids=IDS)
def test_the_replaced_component_is_one_of_the_platform(defect: Defect) -> None:
    assert defect.component in {component.name for component in COMPONENTS}


@pytest.mark.parametrize("defect", GALLERY, ids=IDS)
def test_the_seam_is_there_and_the_component_starts(defect: Defect) -> None:
    """`--help` runs the component's own main under the overlay: a seam that was renamed away ends in a traceback instead."""
    done = subprocess.run([sys.executable, "-m", defect.module, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--kubeconfig" in done.stdout or "--admin-bind" in done.stdout


def test_a_replacement_that_takes_less_than_the_seam_is_called_with_is_refused() -> None:
    def seam(subject: str, labels: dict[str, str], wish: int | None = None, *, used: int = 0) -> None: ...

    must_stand_in(seam, lambda subject, labels, *more, **named: None)
    for short in (lambda subject, labels: None, lambda subject, labels, wish: None, lambda *more: None):
        with pytest.raises(TypeError, match=r"the seam .*seam has changed .*adapt the defect"):
            must_stand_in(seam, short)


@pytest.mark.parametrize(
    ("name", "checks"),
    [
        ("authorizer-admits-everyone", "without_a_credential_is_unauthorized"),
        ("authorizer-believes-unverified-tokens", "test_a_forged_token_is_unauthorized"),
        ("limiter-refuses-nobody", "test_three_times_the_budget_is_not_served"),
        ("limiter-denies-one-too-late", "test_a_budget_of_k_requests_buys_k_requests"),
        ("limiter-releases-too-much", "test_streams_that_run_at_once_take_of_a_budget"),
        ("gateway-streams-are-free", "test_streaming_without_asking_for_usage_does_not_evade_the_limit"),
        ("gateway-hides-usage", "test_a_whole_answer_has_all_its_parts and responses-stream"),
        ("maas-api-dry-run-revokes", "test_a_dry_run_on_ones_own_keys"),
        ("gateway-serves-without-its-limiter", "test_without_the_limiter_nobody_is_served"),
    ],
)
def test_the_suite_notices(name: str, checks: str, tmp_path: Path) -> None:
    """One defect per part that says no, by the checks that must notice; `maas-conformance selftest` tries all, by all checks."""
    trial = attempt(broken(named(name), workers=0).choosing("-k", checks), tmp_path / "report", Processes().run)
    assert trial.judgement.exit_code == ExitCode.NOT_CONFORMANT, trial.fault
    assert trial.judgement.broken & set(named(name).requirements), trial.judgement.broken
