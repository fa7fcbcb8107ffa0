"""Making every report again from a journal: for runs that were killed, and for those who verify."""

from collections.abc import Sequence
from pathlib import Path

from harness.engine.consumer import Consumer
from harness.engine.events import AnyEvent
from harness.engine.record import RunRecord
from harness.reporting.allure import AllureWriter
from harness.reporting.badge import BadgeWriter
from harness.reporting.bundle import BundleWriter
from harness.reporting.certificate import CertificateWriter
from harness.reporting.html import HtmlWriter
from harness.reporting.junit import JUnitWriter
from harness.reporting.summary import SummaryWriter


def writers(out: Path) -> tuple[Consumer, ...]:
    """Every file of a run's folder but the journal; the certificate last, since it names the digests of the others."""
    return (
        SummaryWriter(out),
        JUnitWriter(out),
        AllureWriter(out),
        BundleWriter(out),
        HtmlWriter(out),
        BadgeWriter(out),
        CertificateWriter(out),
    )


def regenerate(events: Sequence[AnyEvent], out: Path) -> RunRecord:
    """Write the reports of these events into a folder."""
    record = RunRecord.of(events)
    for consumer in writers(out):
        for event in events:
            consumer.on_event(event, record)
        consumer.finish(record)
    return record
