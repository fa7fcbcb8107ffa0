"""The server needs what its image installs and nothing else of this project."""

import re
import subprocess
import sys
from pathlib import Path

import mock_vllm

ROOT = Path(mock_vllm.__file__).parent
TOP_LEVEL = {"httptools", "jsonschema", "msgspec", "yaml", "zmq", "uvloop"}
OPTIONAL = {"tokenizers", "tiktoken", "pytest"}


def test_the_image_installs_what_is_imported():
    imported = set()
    for file in ROOT.rglob("*.py"):
        imported |= set(re.findall(r"^\s*(?:from|import) (\w+)", file.read_text(), re.MULTILINE))
    foreign = {name for name in imported if name not in sys.stdlib_module_names and name != "mock_vllm"}
    assert foreign == TOP_LEVEL | OPTIONAL
    wanted = set(re.findall(r'"([a-z]+)>=', (ROOT / "Dockerfile").read_text()))
    assert wanted == {"httptools", "jsonschema", "msgspec", "pyyaml", "pyzmq", "uvloop"}


def test_starting_imports_nothing_heavy():
    code = "import sys, mock_vllm.server.process; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert not {"pydantic", "jsonschema", "yaml", "zmq", "httpx", "click", "starlette"} & set(done.stdout.split())


def test_help_names_every_group():
    done = subprocess.run(
        [sys.executable, "-m", "mock_vllm", "serve", "--help"], capture_output=True, text=True, timeout=20, check=True
    )
    for words in (
        "--served-model-name",
        "--max-model-len",
        "--api-key",
        "--enable-force-include-usage",
        "--max-num-seqs",
        "API server:",
    ):
        assert words in done.stdout
