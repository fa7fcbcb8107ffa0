"""Keys, signatures and evidence as a vendor and a reviewer type them; the vendor's run judges a black box that does not answer."""

import json
import shutil
import stat
from pathlib import Path

import pytest

from harness.outcome import ExitCode
from tests.cli.black_box import black_box
from tests.command_line import maas


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run in it, and a key."""
    folder = tmp_path_factory.mktemp("vendor")
    named = ("--product", "Example", "--product-version", "4.2")
    with black_box(folder) as path:
        done = maas("run", "--platform", str(path), "-k", "path_style", "-n", "0", *named, "--out", "run", cwd=folder)
    assert done.returncode == ExitCode.ENVIRONMENT, done.stdout + done.stderr
    assert maas("report", "keygen", "vendor.key", cwd=folder).returncode == 0
    return folder


def test_a_key_is_made_for_its_owner_alone_and_never_printed(tmp_path: Path) -> None:
    done = maas("report", "keygen", "k", cwd=tmp_path)
    assert done.returncode == 0
    assert "SHA256:" in done.stdout
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    secret = (tmp_path / "k").read_text(encoding="ascii").splitlines()[1]
    assert secret not in done.stdout + done.stderr
    again = maas("report", "keygen", "k", cwd=tmp_path)
    assert (again.returncode, "exists already" in again.stderr) == (ExitCode.USAGE, True)


def test_a_locked_key_needs_a_passphrase_to_be_locked_with(tmp_path: Path) -> None:
    assert "--locked needs a passphrase" in maas("report", "keygen", "k", "--locked", cwd=tmp_path).stderr
    done = maas("report", "keygen", "k", "--locked", cwd=tmp_path, MAAS_SIGNING_PASSPHRASE="correct horse")
    assert done.returncode == 0
    assert "ENCRYPTED" in (tmp_path / "k").read_text(encoding="ascii")


def test_a_report_is_signed_once_and_the_verdict_names_the_signer(vendor: Path, tmp_path: Path) -> None:
    unsigned = maas("verify", "run", cwd=vendor)
    assert unsigned.stdout.splitlines()[-1] == "the report is unsigned"
    done = maas("report", "sign", "run", "--key", "vendor.key", "--name", "Example Inc", cwd=vendor)
    assert done.returncode == 0, done.stderr
    assert "already" in maas("report", "sign", "run", "--key", "vendor.key", cwd=vendor).stderr
    told = maas("verify", "run", "--trust", "vendor.key.pub", cwd=vendor).stdout
    assert "the report is signed by vendor.key.pub (SHA256:" in told
    assert "V015" not in told
    stranger = maas("verify", "run", cwd=vendor).stdout
    assert "(Example Inc), which nobody vouches for here (--trust)" in stranger
    assert maas("report", "keygen", str(tmp_path / "other"), cwd=vendor).returncode == 0
    wrong = json.loads(maas("verify", "run", "--trust", str(tmp_path / "other.pub"), "--json", cwd=vendor).stdout)
    assert "V015" in {objection["rule"] for objection in wrong["objections"]}
    assert wrong["signatures"][0]["trustedAs"] == []


def test_a_folder_that_was_edited_is_neither_signed_nor_exported(vendor: Path, tmp_path: Path) -> None:
    edited = tmp_path / "edited"
    shutil.copytree(vendor / "run", edited)
    (edited / "report.intoto.jsonl").unlink(missing_ok=True)
    path = edited / "summary.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"passed": 0', '"passed": 9'), encoding="utf-8")
    for arguments in (
        ("report", "sign", str(edited), "--key", "vendor.key"),
        ("report", "export", "cncf-ai", str(edited), "--out", str(tmp_path / "evidence")),
    ):
        done = maas(*arguments, cwd=vendor)
        assert done.returncode == ExitCode.USAGE
        assert "V004" in done.stderr
    assert not (tmp_path / "evidence").exists()


def test_evidence_is_exported_and_says_how_much_was_proven(vendor: Path, tmp_path: Path) -> None:
    done = maas("report", "export", "cncf-ai", "run", "--out", str(tmp_path / "evidence"), cwd=vendor)
    assert done.returncode == 0, done.stderr
    assert "ai_inference: 0 of 7 aspects proven" in done.stdout
    assert (tmp_path / "evidence" / "maas-conformance" / "snippets.yaml").is_file()


@pytest.mark.parametrize(
    ("subject", "day", "words"),
    [
        ("check: test_no_such_check", "2099-01-01", "names no check of this suite"),
        ("requirement: MAAS-RATE-999", "2099-01-01", "names a requirement that the catalogue does not have"),
        ("check: test_path_style_inference", "2020-01-01", "expired on 2020-01-01"),
    ],
)
def test_known_failures_that_are_wrong_are_refused_before_anything_starts(
    tmp_path: Path, subject: str, day: str, words: str
) -> None:
    text = f"knownFailures:\n  - {subject}\n    issue: https://example.com/1\n    expires: {day}\n"
    (tmp_path / "known.yaml").write_text(text, encoding="utf-8")
    done = maas("run", "--known-failures", "known.yaml", "--out", "o", cwd=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "o").exists()
