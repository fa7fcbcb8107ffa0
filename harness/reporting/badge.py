"""`badge.json`: the verdict in the form of a shields endpoint."""

import orjson

from harness.engine.record import RunRecord
from harness.outcome import ExitCode
from harness.reporting.document import Document

_COLOURS = {ExitCode.CONFORMANT: "brightgreen", ExitCode.NOT_CONFORMANT: "red"}


class BadgeWriter(Document):
    """Writes the badge; a verdict that says nothing about the platform is grey."""

    name = "badge.json"

    def content(self, record: RunRecord) -> bytes:
        """Label, message and colour; the message never claims more than the profile that was judged."""
        end, start = record.finished, record.started
        code = ExitCode(end.exit_code) if end else ExitCode.INVALID
        passed = record.counts["passed"] + record.counts["passed_on_retry"]
        known = record.counts["known_failure"]
        except_for = f", {known} known failure{'s' if known > 1 else ''}" if known else ""
        message = {
            ExitCode.CONFORMANT: f"{start.profile if start else ''}: {passed} passed{except_for}".strip(": "),
            ExitCode.NOT_CONFORMANT: f"{record.counts['failed']} failed",
        }.get(code, "no verdict")
        document = {
            "schemaVersion": 1,
            "label": "MaaS conformance",
            "message": message,
            "color": "yellow" if except_for and code == ExitCode.CONFORMANT else _COLOURS.get(code, "lightgrey"),
        }
        return orjson.dumps(document) + b"\n"
