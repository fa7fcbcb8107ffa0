"""Files that are not what an option takes: exit 2 and one sentence that names the file and what was expected, nothing written."""

from pathlib import Path

import pytest

from harness.cli.command import run
from harness.outcome import ExitCode
from harness.platforms.lease import STATE_HOME_VARIABLE

CONTENTS = {
    "nothing": b"",
    "binary": b"\x00\xf3\x28\x8a\xff",
    "list": b"- 1\n- 2\n",
    "fields": b"unknown: field\n",
}
COMMANDS = {
    "a platform": ("run", "--platform"),
    "a plan's platform": ("plan", "--platform"),
    "known failures": ("run", "--known-failures"),
    "an environment": ("plan", "--target", "endpoint", "--environment"),
    "a kubeconfig": ("plan", "--target", "cluster", "--gateway", "http://127.0.0.1:1", "--kubeconfig"),
    "a load profile": ("load", "--profile"),
    "a load's platform": ("load", "--platform"),
    "a load's environment": ("load", "--target", "endpoint", "--environment"),
    "a load's kubeconfig": ("load", "--target", "cluster", "--gateway", "http://127.0.0.1:1", "--kubeconfig"),
    "a GPU profile": ("up", "--gpu-profile"),
    "settings of kind": ("up", "--target", "kind", "--dry-run", "--environment"),
    "a component's platform": ("component", "list", "--platform"),
    "a kubeconfig to clean": ("clean", "--kubeconfig"),
    "a diagnosis' kubeconfig": ("diagnose", "model", "--kubeconfig"),
    "a report to compare": ("diff", "installed"),
}
PAIRS = [
    (kind, content) for kind in COMMANDS for content in CONTENTS if (kind, content) != ("settings of kind", "nothing")
]
"""A settings file may be empty: each setting has a default."""


@pytest.mark.parametrize(("kind", "content"), PAIRS)
def test_a_wrong_file_is_one_sentence(
    kind: str, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(STATE_HOME_VARIABLE, str(tmp_path / "home"))
    file = tmp_path / "given"
    file.write_bytes(CONTENTS[content])
    assert run([*COMMANDS[kind], "given"]) == ExitCode.USAGE
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith("maas-conformance: ")
    assert "given" in said
    for word in ("NoneType", "BaseModel", "instance of", "codec", "errors.pydantic", "fault of the harness"):
        assert word not in said
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


@pytest.mark.parametrize("option", ["--resume", "--rerun-failed"])
@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_a_run_is_left_as_it_is(
    option: str, there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if there:
        Path("earlier").mkdir()
    assert run(["run", option, "earlier"]) == ExitCode.USAGE
    assert capsys.readouterr().err == "maas-conformance: earlier holds no run: there is no journal.ndjson\n"
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == (["earlier"] if there else [])
