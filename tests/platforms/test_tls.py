"""The gateway by HTTPS, with a certificate of the run's own CA: beside the plain listener, or as the one that checks use."""

import json
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from harness.outcome import ExitCode
from harness.platforms.data import data_folder
from harness.platforms.embedded.plan import Listener, Plan, listeners_of
from harness.platforms.introduction import introduce
from harness.platforms.lease import STATE_HOME_VARIABLE
from harness.platforms.platform import Platform
from harness.platforms.target import TargetOptions, open_target

MAAS = ("openshift-ingress", "maas-default-gateway")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE_HOME_VARIABLE, str(tmp_path_factory.mktemp("state")))
        with open_target(TargetOptions(settings={"tls": "true"}), lambda line: None) as opened:
            yield opened


def trusting(platform: Platform, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=platform.ca_file)
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.row("MAAS-GW-014")
def test_the_gateway_is_served_by_tls_alone_on_its_port(platform: Platform) -> None:
    url = platform.endpoints.gateway
    assert url.startswith("https://")
    assert platform.endpoints.gateway_tls == url
    assert platform.endpoints.management == f"{url}/maas-api"
    answer = httpx.get(f"{url}/v1/models", verify=trusting(platform), trust_env=False)
    assert answer.status_code == 401
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{url.replace('https://', 'http://')}/v1/models", trust_env=False)


@pytest.mark.row("MAAS-GW-014")
def test_who_does_not_know_the_run_s_ca_does_not_trust_it(platform: Platform) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{platform.endpoints.gateway}/v1/models", trust_env=False)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize(
    ("version", "spoken"),
    [(ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_1, False)],
)
def test_old_versions_of_tls_are_not_spoken(platform: Platform, version: ssl.TLSVersion, spoken: bool) -> None:
    context = trusting(platform, version)
    if not spoken:
        context.set_ciphers("ALL:@SECLEVEL=0")  # or this side would refuse first
        with pytest.raises(httpx.ConnectError, match=r"(?i)alert protocol version"):
            httpx.get(f"{platform.endpoints.gateway}/v1/models", verify=context, trust_env=False)
        return
    assert httpx.get(f"{platform.endpoints.gateway}/v1/models", verify=context, trust_env=False).status_code == 401


def test_the_introduction_s_lines_trust_the_ca(platform: Platform) -> None:
    for status, line in introduce(platform).examples:
        answered = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
        assert answered.stdout.splitlines()[-1] == str(status), (line, answered.stdout)


def test_up_tells_of_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_HOME_VARIABLE, str(tmp_path))

    def command(*words: str) -> str:
        line = [sys.executable, "-m", "harness", *words]
        return subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout

    shown = json.loads(command("up", "--detach", "--json"))
    try:
        context = ssl.create_default_context(cafile=shown["ca_file"])
        headers = {"Authorization": f"Bearer {shown['api_key']}"}
        answers = [
            httpx.get(f"{shown[name]}/v1/models", headers=headers, verify=context, trust_env=False)
            for name in ("gateway_url", "gateway_tls_url")
        ]
    finally:
        command("down")
    assert [answer.url.scheme for answer in answers] == ["http", "https"]
    assert answers[0].status_code == 200
    assert answers[0].json() == answers[1].json()


@pytest.mark.row("MAAS-GW-014")
def test_checks_run_over_it(tmp_path: Path) -> None:
    selection = ("--set", "tls=true", "-k", "canary or without_a_credential")
    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", "-n", "0", "--out", str(tmp_path), *selection],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.CONFORMANT, done.stdout
    asked = re.findall(r'"(https?)://127', (tmp_path / "journal.ndjson").read_text(encoding="utf-8"))
    assert set(asked) == {"https"}


def test_which_listener_is_in_front_follows_the_setting() -> None:
    plain, secure = Listener(*MAAS, "http"), Listener(*MAAS, "https", secure=True)
    nowhere = Path("/nowhere")
    assert Plan(nowhere, (), (plain, secure)).front == plain
    assert Plan(nowhere, (), (plain, secure), tls=True).front == secure
    assert Plan(nowhere, (), (secure,)).front == secure
    assert Plan(nowhere, (), (plain,), tls=True).front is None


def test_the_base_has_both_listeners_on_the_gateway_of_maas_alone() -> None:
    from harness.kube.documents import read_documents

    found = listeners_of(read_documents([data_folder("cluster") / "base"]))
    assert [(entry.gateway, entry.name, entry.secure) for entry in found] == [
        ("maas-default-gateway", "http", False),
        ("maas-default-gateway", "https", True),
        ("openshift-ai-inference", "http", False),
    ]
