"""Settings of the embedded target that are wrong: one sentence and exit code 2, before anything is started or written."""

from pathlib import Path

import pytest

from harness.cli.command import run
from harness.outcome import ExitCode, UsageFault
from harness.platforms.embedded.replacement import require_replaceable
from harness.platforms.embedded.settings import EmbeddedSettings
from harness.platforms.lease import STATE_HOME_VARIABLE
from harness.platforms.settings import seconds
from harness.platforms.target import TargetOptions, open_target
from harness.selftest.gallery import GALLERY


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("component.limiter=no.such.module", "names the module 'no.such.module', which does not exist"),
        ("component.limiter=", "names the module '', which does not exist"),
        ("component.limiter=../limiter.py", "names the module '../limiter.py', which does not exist"),
        ("component.limiter=json", "names the module 'json', which is no program: expected one that `python -m` runs"),
        ("component.limiter=sys", "names the module 'sys', which is no program"),
        ("component.limitr=json", "there is no component 'limitr' to replace; the components are kubeapi, maas-api,"),
        ("component.=json", "there is no component '' to replace"),
        ("quirks=maas-sec-001", "'maas-sec-001' is no quirk; did you mean MAAS-SEC-001?"),
        ("kube-api=theirs", "the setting kube-api is own or envtest, came 'theirs'"),
        ("tls=maybe", "the setting tls is true or false, came 'maybe'"),
        ("vllm-without-gpu=2", "the setting vllm-without-gpu is true or false, came '2'"),
        ("admission=guess", "the setting admission is check-then-report, reservation or estimate, came 'guess'"),
        (
            "model-ready-bound=soon",
            "the setting model-ready-bound is a number of seconds above 0, at most 86400 (a day), came 'soon'",
        ),
        ("model-ready-bound=inf", "came 'inf'"),
        ("metrics-bound=soon", "the setting metrics-bound is a number of seconds above 0"),
        ("revocation-bound=-1", "the setting revocation-bound is a number of seconds above 0"),
        ("model-ready-bound=nan", "came 'nan'"),
        ("model-ready-bound=0", "came '0'"),
        ("colour=red", "the target embedded has no setting 'colour'"),
    ],
)
def test_a_wrong_setting_starts_nothing(
    setting: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv(STATE_HOME_VARIABLE, str(home))
    assert run(["up", "--set", setting]) == ExitCode.USAGE
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith("maas-conformance: ")
    assert sentence in said
    assert not home.exists()


def test_every_broken_platform_of_the_self_test_is_a_replacement_that_is_taken() -> None:
    for defect in GALLERY:
        require_replaceable(EmbeddedSettings.read({f"component.{defect.component}": defect.module}, "mock").replaced)


def test_a_time_is_a_number_within_a_day() -> None:
    assert seconds({}, "bound", default=7) == 7
    assert seconds({"bound": "0.5"}, "bound", default=7) == 0.5
    with pytest.raises(UsageFault, match="the setting bound is a number of seconds above 0, at most 86400"):
        seconds({"bound": "86401"}, "bound", default=7)


def test_the_cluster_target_looks_at_its_settings_before_it_looks_at_a_cluster(tmp_path: Path) -> None:
    options = TargetOptions(
        target="cluster",
        kubeconfig=tmp_path / "none",
        gateway_url="http://127.0.0.1:1",
        settings={"model-ready-bound": "soon"},
    )
    with pytest.raises(UsageFault, match="model-ready-bound"), open_target(options, lambda line: None):
        pass
