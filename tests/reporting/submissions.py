"""Runs of a made-up suite, as vendors would hand them in."""

from datetime import datetime
from pathlib import Path

from harness.engine.events import CheckPlanned, RunStarted
from harness.engine.journal import read_journal
from harness.reporting.objection import Objection
from harness.reporting.signing_key import PublicKey
from harness.reporting.verification import verify
from tests.engine.conftest import Suite

CHECKS = """
@check("MAAS-LIST-001")
def test_list(recorder):
    recorder.exchange(exchange())
    recorder.characteristic("overshoot", 12, "tokens")

@check("MAAS-RATE-001", canary=True)
def test_canary(): pass

@check("MAAS-RATE-004", needs={"clock"})
def test_window(): pass

@check("MAAS-AUTH-001")
def test_doubtful():
    if os.environ.get("BREAK"):
        raise NotConformant(expected="401", observed="200", exchange=exchange())

@check("MAAS-AUTH-002")
def test_late():
    marker = os.path.join(os.path.dirname(__file__), "again")
    if not os.path.exists(marker):
        open(marker, "w").close()
        raise NotConformant(expected="yes", observed="no")
"""


KNOWN = """
knownFailures:
  - check: test_doubtful
    issue: https://example.com/issues/7
    expires: 2099-01-31
    comment: mended in 4.3
"""


class Runs:
    """A conformant run, one that is not, one whose failure was known and whose product is named, and a part; all of the same suite."""

    def __init__(self, folder: Path) -> None:
        suite = Suite(folder)
        suite.write("made_up", CHECKS)
        arguments = ("-n", "2", "--maas-retries", "1")
        assert suite.run(*arguments, "--maas-out", str(folder / "good")).code == 0
        assert suite.run(*arguments, "--maas-out", str(folder / "bad"), BREAK="1").code == 1
        known = folder / "known.yaml"
        known.write_text(KNOWN, encoding="utf-8")
        product = ("--maas-product", "Example MaaS", "--maas-product-version", "4.2", "--maas-organization", "Example")
        told = (*arguments, *product, "--maas-known-failures", str(known), "--maas-out", str(folder / "known"))
        assert suite.run(*told, BREAK="1").code == 0
        assert suite.run(*arguments, "--maas-out", str(folder / "partial"), "-k", "list or canary").code == 0
        self.folder = folder
        events = read_journal(folder / "good")
        self.plan = [event for event in events if isinstance(event, CheckPlanned)]
        self.digest = next(event.suite_digest for event in events if isinstance(event, RunStarted))

    def verify(self, folder: Path, now: datetime | None = None, trusted: tuple[PublicKey, ...] = ()) -> list[Objection]:
        return verify(folder, self.plan, self.digest, now, trusted)[1]
