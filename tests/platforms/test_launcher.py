import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.platforms.launcher import imports_of


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "launched"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "heavy.py").write_text("print('loaded', flush=True)\n")
    (folder / "__main__.py").write_text(
        "import json, sys\ndef main():\n    from .heavy import print as _\nprint(json.dumps(sys.argv[1:]), flush=True)\nraise SystemExit(3)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def launched() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "harness.platforms.launcher", "launched"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_what_main_imports_is_found_wherever_it_stands_and_however_it_is_named(package: Path) -> None:
    assert set(imports_of("launched")) == {"json", "sys", "launched.heavy"}


def test_it_loads_before_it_is_told_and_runs_with_what_it_was_told(package: Path) -> None:
    process = launched()
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "loaded\n"
    process.stdin.write(json.dumps(["--port", "0"]) + "\n")
    process.stdin.close()
    assert process.stdout.readline() == '["--port", "0"]\n'
    assert process.wait() == 3


def test_without_a_word_it_ends(package: Path) -> None:
    process = launched()
    out, _ = process.communicate()
    assert (out, process.returncode) == ("loaded\n", 0)
