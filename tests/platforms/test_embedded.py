"""The embedded platform, end to end, as a user's commands bring it up and down."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import httpx
import psutil
import pytest

from harness.kube.cluster import Cluster
from harness.kube.manifest import Ref
from harness.kube.wait import Bound
from harness.platforms.data import data_folder
from harness.platforms.introduction import introduce
from harness.platforms.lease import STATE_HOME_VARIABLE
from harness.platforms.platform import Need, Platform
from harness.platforms.remains import RunRecord, sweep_dead_runs
from harness.platforms.target import TargetOptions, open_target
from harness.world.patience import until
from tests.platforms.conftest import processes_of

# for a machine with ten times the load that it has cores: what ends late has still ended, what hangs is found
BOUND_S = 120
COMMAND = [sys.executable, "-c", "from harness.cli import main; main()"]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE_HOME_VARIABLE, str(tmp_path_factory.mktemp("state")))
        with open_target(TargetOptions(), lambda line: None) as opened:
            yield opened


def test_it_offers_the_world_s_governed_models_and_no_other(platform: Platform) -> None:
    names = {model.name for model in platform.models}
    assert "facebook-opt-125m-simulated" in names
    assert "standard-model" not in names
    assert "e2e-unconfigured-facebook-opt-125m-simulated" not in names
    model = next(model for model in platform.models if model.name == "facebook-opt-125m-simulated")
    assert (model.namespace, model.path, model.served_name, model.model_id) == (
        "llm",
        "/llm/facebook-opt-125m-simulated",
        "facebook/opt-125m",
        "publishers/llm/models/facebook/opt-125m",
    )


def test_it_says_what_it_is_and_provides_everything(platform: Platform) -> None:
    assert all(platform.provides.values())
    assert platform.missing(frozenset(get_args(Need))) is None
    assert platform.versions["kubernetes"].startswith("v1.")
    assert platform.versions["envoy"].startswith("1.")
    assert platform.endpoints.standard_gateway not in (None, platform.endpoints.gateway)
    assert set(platform.logs) == set(platform.processes) == {
        "kubeapi", "maas-api", "authorizer", "limiter", "gateway", "kserve", "kubelet", "maas-controller", "issuer"
    }  # fmt: skip
    assert platform.startup_s is not None
    assert platform.startup_s > 0


def test_the_standard_gateway_serves_its_model_without_credentials(platform: Platform) -> None:
    answer = httpx.post(
        f"{platform.endpoints.standard_gateway}/llm/standard-model/v1/completions",
        json={"model": "standard/opt-125m", "prompt": "Hello", "max_tokens": 4},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["completion_tokens"] == 4


def test_the_introduction_s_curl_lines_answer_what_they_promise(platform: Platform) -> None:
    introduction = introduce(platform)
    assert [status for status, _ in introduction.examples] == [200, 401, 403, 429]
    for status, line in introduction.examples:
        for _ in range(2):
            answered = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
            assert answered.stdout.splitlines()[-1] == str(status), (line, answered.stdout)


def test_the_value_survives_its_file(platform: Platform, tmp_path: Path) -> None:
    platform.save(tmp_path / "platform.json")
    assert Platform.load(tmp_path / "platform.json") == platform
    assert (tmp_path / "platform.json").stat().st_mode & 0o777 == 0o600


def test_a_world_of_one_s_own_needs_no_more_than_its_model_and_who_may_use_it(state_home: Path) -> None:
    world = data_folder("worlds") / "default" / "free-model.yaml"
    with open_target(TargetOptions(worlds=(world,)), lambda line: None) as own:
        assert [model.name for model in own.models] == ["facebook-opt-125m-simulated"]
        assert [status for status, _ in introduce(own).examples] == [200, 401, 403, 429]
    assert not state_home.exists()


def test_a_world_without_models_still_has_people(state_home: Path, tmp_path: Path) -> None:
    world = tmp_path / "world.yaml"
    world.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: alone, namespace: llm}\n")
    with open_target(TargetOptions(worlds=(world,)), lambda line: None) as own:
        assert own.models == ()
        introduction = introduce(own)
        assert introduction.api_key is None
        listed = httpx.get(
            f"{own.endpoints.management}/v1/models",
            headers={"Authorization": f"Bearer {introduction.user_token.reveal()}"},
            trust_env=False,
        )
        assert (listed.status_code, listed.json()["data"]) == (200, [])


class Up:
    """`maas-conformance up` as a process of its own, with a state home of its own."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        environment = {**os.environ, STATE_HOME_VARIABLE: str(home)}
        self.process = subprocess.Popen(
            [*COMMAND, "up", "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def until(self, words: str) -> str:
        """Read progress until a line holds these words."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if words in line:
                return line
        raise AssertionError(f"`up` ended before it said {words!r}")

    def record(self) -> RunRecord:
        path = next((self.home / "leases").glob("*.json"))
        record = RunRecord.read(path)
        assert record is not None
        return record


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Up]]:
    ups: list[Up] = []
    yield ups
    for up in ups:
        up.process.kill()
        up.process.communicate()
    sweep_dead_runs()


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("starting", signal.SIGINT),
        ("applying", signal.SIGTERM),
        ("waiting until", signal.SIGINT),
        ("running; Ctrl-C", signal.SIGTERM),
        ("running; Ctrl-C", signal.SIGHUP),
    ],
)
def test_interrupted_at_any_point_it_leaves_nothing_behind(
    state_home: Path, started: list[Up], words: str, number: signal.Signals
) -> None:
    up = Up(state_home)
    started.append(up)
    up.until(words)
    run_id = up.record().run_id
    up.process.send_signal(number)
    _, err = up.process.communicate(timeout=BOUND_S)
    assert up.process.returncode == 0, err
    assert "Traceback" not in err
    assert processes_of(run_id) == []
    assert not state_home.exists()


def test_after_sigkill_the_next_command_leaves_nothing_behind(state_home: Path, started: list[Up]) -> None:
    up = Up(state_home)
    started.append(up)
    up.until("running; Ctrl-C")
    record = up.record()
    assert len(processes_of(record.run_id)) > len(
        record.processes
    )  # Envoy and the model servers are nobody's in the record
    up.process.kill()
    up.process.wait()
    assert record.folder.is_dir()
    cleaned = subprocess.run(
        [*COMMAND, "clean"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, STATE_HOME_VARIABLE: str(state_home)},
    )
    assert f"swept {record.run_id}" in cleaned.stdout
    assert processes_of(record.run_id) == []
    assert not state_home.exists()


def test_a_component_that_dies_ends_up_with_its_last_words_and_exit_code_5(state_home: Path, started: list[Up]) -> None:
    up = Up(state_home)
    started.append(up)
    up.until("running; Ctrl-C")
    record = up.record()
    limiter = next(process for process in record.processes if process.name == "limiter")
    psutil.Process(limiter.pid).kill()
    _, err = up.process.communicate(timeout=BOUND_S)
    assert up.process.returncode == 5
    assert f"the platform stopped: the component limiter (process {limiter.pid}) has ended" in err
    assert not state_home.exists()


def test_detached_it_answers_until_down(state_home: Path, tmp_path: Path) -> None:
    environment = {**os.environ, STATE_HOME_VARIABLE: str(state_home)}

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words], capture_output=True, text=True, check=True, env=environment, timeout=BOUND_S
        )

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shown = json.loads(command("up", "--detach", "--json", "--gateway-port", str(port)).stdout)
    assert shown["gateway_url"] == f"http://127.0.0.1:{port}"
    assert set(shown) >= {
        "kubeconfig",
        "gateway_url",
        "management_url",
        "user_token",
        "admin_token",
        "api_key",
        "models",
    }
    listed = httpx.get(
        f"{shown['management_url']}/v1/models", headers={"Authorization": f"Bearer {shown['api_key']}"}, trust_env=False
    )
    assert listed.status_code == 200
    assert [model["id"] for model in listed.json()["data"]] == ["publishers/llm/models/facebook/opt-125m"]
    assert "is alive" in command("clean").stdout
    stopped = command("down").stdout
    assert stopped.startswith("stopped ")
    assert "force" not in stopped
    assert not state_home.exists()
    assert command("down").stdout == "no detached platform is running\n"


@pytest.mark.row("MAAS-AUTH-017", "MAAS-AUTH-018")
def test_the_key_header_is_a_credential_only_while_a_model_speaks_messages(platform: Platform) -> None:
    key = introduce(platform).api_key
    assert key is not None
    reference = {"ref": {"name": "provider"}, "targetModel": "claude", "apiFormat": "messages"}
    external = {
        "apiVersion": "inference.opendatahub.io/v1alpha1",
        "kind": "ExternalModel",
        "metadata": {"name": "speaks-messages", "namespace": "llm"},
        "spec": {"externalProviderRefs": [reference]},
    }

    def status(text: str) -> int:
        url = f"{platform.endpoints.management}/v1/models"
        return httpx.get(url, headers={"X-Api-Key": text}, trust_env=False).status_code

    assert platform.kubeconfig is not None
    bound = Bound("the authorizer knows of an external model", 10)
    with Cluster.connect(platform.kubeconfig) as cluster:
        assert status(key.reveal()) == 401
        cluster.apply(external)
        assert until(lambda: status(key.reveal()), lambda seen: seen == 200, bound)[0] == 200
        assert (status("other"), status("sk-oai-unknown_x")) == (401, 403)
        cluster.delete(Ref.of(external))
        assert until(lambda: status(key.reveal()), lambda seen: seen == 401, bound)[0] == 401
