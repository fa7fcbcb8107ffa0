"""What a killed run leaves in a Keycloak, and `clean` that removes it, with a stand-in for the server."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from harness.cli.command import run
from harness.client.secret import Secret
from harness.outcome import ExitCode
from harness.platforms.keycloak import Mark, TrustedKeycloak
from harness.platforms.lease import STATE_HOME_VARIABLE
from tests.issuer.stand_in import StandIn, standing_in

RUN, OTHER = "0123456789ab", "ba9876543210"
OWN = "maas-conformance-production"
"""Somebody's own, whose name begins as ours do."""
KILLED = """
import sys, threading
from harness.platforms.issuer import keycloak_in, tried
from harness.world.keycloak import KeycloakIssuer
from harness.world.oidc import OidcUser
found = keycloak_in(dict(pair.split("=", 1) for pair in sys.argv[2:]), sys.argv[1])
with tried(found, print), found.connected() as keycloak:
    issuer = KeycloakIssuer(found, keycloak, found.realm)
    issuer.realm("own")
    issuer.new_key()
    print("hold", flush=True)
    sys.stdin.readline()
    threading.Thread(target=issuer.sign, args=({},)).start()
    issuer.login(OidcUser("ann", ("team",)))
"""
"""A run that is caught between making somebody and removing them."""


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other runs on this machine are none of these tests'."""
    monkeypatch.setenv(STATE_HOME_VARIABLE, str(tmp_path / "state-home"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandIn]:
    with standing_in(tmp_path) as found:
        yield found


@pytest.fixture
def words(server: StandIn, tmp_path: Path) -> list[str]:
    return [word for name, text in server.settings(tmp_path).items() for word in ("--set", f"{name}={text}")]


def remains(server: StandIn, run_id: str, *, age_s: float = 0.0) -> None:
    """One thing of each kind, made so long ago by this run."""
    trusted = TrustedKeycloak(
        url=server.url, realm="maas", admin_client="x", admin_secret=Secret("x"), run_id=run_id, ca_file=server.ca_file
    )
    mark = f"maas-conformance-{run_id}-{int(time.time() - age_s)}-"
    assert Mark.of(mark + "x") == Mark(run_id=run_id, made_at=int(time.time() - age_s))
    assert Mark.of(trusted.named("x")) is not None
    with server.connected() as keycloak:
        keycloak.realm(f"{mark}own").make()
        realm = keycloak.realm("maas")
        realm.put_group(f"team-{run_id}", mark=mark)
        realm.put_user(f"ann-{run_id}", trusted.admin_secret, mark=mark)
        realm.put_client(f"{mark}client")


def theirs(server: StandIn) -> None:
    """What is nobody's remains, though it looks like ours."""
    server.add(OWN)
    with server.connected() as keycloak:
        realm = keycloak.realm("maas")
        realm.put_client(OWN)
        realm.put_client("maas")
        keycloak.ask("POST", "/admin/realms/maas/groups", {"name": OWN})
        person = {"username": OWN, "email": f"{OWN}@example.com"}
        keycloak.ask("POST", "/admin/realms/maas/users", person)


def test_clean_removes_what_a_killed_run_left_and_nothing_else(
    server: StandIn, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs(server)
    before = (server.names(), set(server.realms))
    pairs = [f"{name}={text}" for name, text in server.settings(tmp_path).items()]
    command = [sys.executable, "-c", KILLED, RUN, *pairs]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert "hold\n" in iter(process.stdout.readline, "")
    server.hold = True
    process.stdin.write("\n")
    process.stdin.flush()
    assert all(server.held.acquire(timeout=30) for _ in range(2)), "somebody logs in, and a client signs"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = server.names()
    assert {kind: len(names) for kind, names in left.items()} == {
        "users": 2,
        "groups": 2,
        "clients": 3,
        "components": 1,
    }
    assert len(server.realms) == len(before[1]) + 1

    assert run(["clean", *words]) == ExitCode.CONFORMANT
    assert f"nothing was left behind in {server.url}" in capsys.readouterr().out, "a younger run may still be at work"
    assert server.names() == left
    assert run(["clean", *words, "--run", RUN]) == ExitCode.CONFORMANT
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("deleted ")]
    assert told[:2] == [f"deleted user ann of run {RUN}", f"deleted group team of run {RUN}"]
    assert [line.rpartition(f" maas-conformance-{RUN}-")[0] for line in told[2:]] == [
        "deleted client",
        "deleted key provider",
        "deleted realm",
    ]
    assert (server.names(), set(server.realms)) == before


@pytest.mark.parametrize(
    ("chosen", "gone"),
    [
        ([], {OTHER}),
        (["--older-than", "0"], {RUN, OTHER}),
        (["--older-than", "9000"], set()),
        (["--run", RUN], {RUN}),
        (["--run", OTHER], {OTHER}),
        (["--run", RUN, "--older-than", "60"], set()),
    ],
)
def test_the_young_are_spared_unless_a_run_is_named(
    server: StandIn, words: list[str], chosen: list[str], gone: set[str]
) -> None:
    remains(server, RUN)
    remains(server, OTHER, age_s=7200)
    assert run(["clean", *words, *chosen]) == ExitCode.CONFORMANT
    kept = {RUN, OTHER} - gone
    names = server.names()
    assert names.get("users", []) == sorted(f"ann-{run_id}" for run_id in kept)
    assert names.get("groups", []) == sorted(f"team-{run_id}" for run_id in kept)
    marks = [Mark.of(name) for name in (*names.get("clients", []), *server.realms)]
    assert sorted(mark.run_id for mark in marks if mark) == sorted([*kept, *kept])


def test_a_run_that_ends_removes_its_own_and_leaves_others(server: StandIn, tmp_path: Path) -> None:
    from harness.platforms.issuer import keycloak_in, tried

    remains(server, OTHER)
    before = (server.names(), set(server.realms))
    said: list[str] = []
    with tried(keycloak_in(server.settings(tmp_path), RUN), said.append):
        remains(server, RUN)
    assert (server.names(), set(server.realms)) == before
    assert said[-1] == f"removed 4 objects that the run had made at {server.url}"


def test_a_keycloak_that_goes_away_costs_no_verdict(tmp_path: Path) -> None:
    from harness.platforms.issuer import keycloak_in, tried

    said: list[str] = []
    with standing_in(tmp_path) as server:
        opened = tried(keycloak_in(server.settings(tmp_path), RUN), said.append)
        opened.__enter__()
    opened.__exit__(None, None, None)
    assert "does not answer" in said[-1]
    assert said[-1].endswith(f"`maas-conformance clean --run {RUN}` and the settings of the run")


def test_the_settings_of_a_kind_cluster_name_it_too(server: StandIn, tmp_path: Path) -> None:
    remains(server, RUN)
    settings = tmp_path / "kind.yaml"
    settings.write_text(yaml.safe_dump({"workers": 2, **server.settings(tmp_path)}))
    assert run(["clean", "--environment", str(settings), "--older-than", "0"]) == ExitCode.CONFORMANT
    assert server.names() == {}
    assert set(server.realms) == {"master", "maas"}


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"oidc-issuer": None}, ExitCode.USAGE, "one of them is missing"),
        ({"oidc-isuer": "x"}, ExitCode.USAGE, "did you mean oidc-issuer?"),
        (
            {"keycloak-admin-client": "stranger"},
            ExitCode.ENVIRONMENT,
            "gives the client stranger of realm master no token",
        ),
        ({"oidc-issuer": "https://127.0.0.1:1/realms/maas"}, ExitCode.ENVIRONMENT, "does not answer"),
    ],
)
def test_a_keycloak_that_is_named_wrongly_is_one_sentence(
    server: StandIn,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str | None],
    code: ExitCode,
    sentence: str,
) -> None:
    given = {**server.settings(tmp_path), **changes}
    pairs = [word for name, text in given.items() if text is not None for word in ("--set", f"{name}={text}")]
    assert run(["clean", *pairs]) == code
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1


def test_settings_that_name_no_administrator_are_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["clean", "--set", "oidc-issuer=https://idp.example/realms/maas"]) == ExitCode.USAGE
    assert "keycloak-admin-client and keycloak-admin-secret-file" in capsys.readouterr().err
