"""The image's recipe: for any builder, and what it lays out starts. (No builder takes part; the tree is laid out here.)"""

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

import mock_vllm

ROOT = Path(mock_vllm.__file__).parent
TEXT = (ROOT / "Dockerfile").read_text()
# what builders knew before BuildKit
CLASSIC = {"ARG", "FROM", "USER", "RUN", "COPY", "ENV", "WORKDIR", "EXPOSE", "ENTRYPOINT"}


def steps(text: str) -> list[tuple[str, str]]:
    """Instructions and their arguments, comments left out and continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined)]


STEPS = steps(TEXT)


def arguments(instruction: str) -> list[str]:
    return [rest for word, rest in STEPS if word == instruction]


def test_it_is_for_any_builder():
    assert {word for word, _ in STEPS} <= CLASSIC
    assert not re.search(r"--mount|--link|--chmod|<<|^# *syntax=", TEXT, re.MULTILINE)


def test_base_and_index_are_options():
    assert STEPS[0] == ("ARG", "BASE=python:3.12-slim")
    assert STEPS[1] == ("FROM", "${BASE}")
    assert {"PIP_INDEX_URL", "PIP_TRUSTED_HOST"} <= set(arguments("ARG"))
    assert arguments("USER") == ["0", "65532:65532"]


@pytest.mark.parametrize(
    ("given", "seen"), [({}, "- -"), ({"PIP_INDEX_URL": "https://index.test/simple"}, "https://index.test/simple -")]
)
def test_options_that_are_not_given_do_not_reach_pip(tmp_path, given, seen):
    fake = tmp_path / "python3"
    fake.write_text('#!/bin/sh\necho "${PIP_INDEX_URL--} ${PIP_TRUSTED_HOST--}"\n')
    fake.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PIP_INDEX_URL": "", "PIP_TRUSTED_HOST": "", **given}
    install = next(rest for rest in arguments("RUN") if "pip install" in rest)
    done = subprocess.run(["/bin/sh", "-c", install], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == seen


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The image's files below a folder: what COPY and the second RUN lay out."""
    target = tmp_path / "opt/mock-vllm/mock_vllm"
    assert arguments("COPY") == [". /opt/mock-vllm/mock_vllm"]
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns("__pycache__"))
    binaries = tmp_path / "usr/local/bin"
    binaries.mkdir(parents=True)
    # not a link: an interpreter finds its packages by the place it is started from
    (binaries / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (binaries / "python3").chmod(0o755)
    layout = next(rest for rest in arguments("RUN") if "compileall" in rest)
    layout = layout.replace("/opt/", f"{tmp_path}/opt/").replace("/usr/local/", f"{tmp_path}/usr/local/")
    subprocess.run(["/bin/sh", "-c", layout], env={"PATH": f"{binaries}:/usr/bin:/bin"}, check=True)
    return tmp_path


def test_the_entry_point_starts_the_copied_server(tree):
    command = tree / "usr/local/bin/mock-vllm"
    assert command.stat().st_mode & stat.S_IXOTH
    assert list((tree / "opt/mock-vllm/mock_vllm").glob("__pycache__/app.*.pyc"))
    environment = dict(shlex.split(rest)[0].partition("=")[::2] for rest in arguments("ENV")[0].split())
    environment["PYTHONPATH"] = f"{tree}/opt/mock-vllm"
    assert environment["MOCK_VLLM_HOST"] == "0.0.0.0"
    ready = tree / "ready"
    entry = json.loads(arguments("ENTRYPOINT")[0])
    # the interpreter's environment has the packages; loopback because a test opens no port to others
    environment |= {"PATH": f"{tree}/usr/local/bin:{os.environ['PATH']}", "MOCK_VLLM_HOST": "127.0.0.1"}
    environment["MAAS_DIE_WITH_PARENT"] = "1"
    options = ["my-model", "--port", "0", "--ready-file", str(ready)]
    server = subprocess.Popen([*entry, *options], env=environment, cwd=tree, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 20
        while not ready.exists():
            assert server.poll() is None, server.stderr.read().decode()
            assert time.monotonic() < deadline
        url = json.loads(ready.read_text())["endpoints"]["api"]
        found = httpx.get(f"{url}/v1/models", timeout=5).json()
        assert [card["id"] for card in found["data"]] == ["my-model"]
        used = Path(f"/proc/{server.pid}/environ").read_bytes()
        assert f"{tree}/opt/mock-vllm".encode() in used
    finally:
        server.terminate()
        server.communicate(timeout=60)
