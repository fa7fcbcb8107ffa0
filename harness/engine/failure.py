"""A verdict against the platform, as a type: what was expected, what came, and the exchange that shows it.

A check raises it (mostly through the sandwich and the expectations); every report shows the same words. A bare `assert` in a
check counts as one too. Any other exception is not the platform's fault and is blamed on the environment or the harness.
"""

from harness.client.exchange import Exchange


class NotConformant(AssertionError):  # noqa: N818 - it is a verdict, and pytest treats assertion errors as failures
    """The platform broke a promise.

    `requirement` is needed only where a check proves several and can tell which one is broken; else the first of the declaration is named.
    """

    def __init__(
        self,
        *,
        expected: str,
        observed: str,
        exchange: Exchange | None = None,
        requirement: str | None = None,
        detail: str = "",
    ) -> None:
        self.expected = expected
        self.observed = observed
        self.exchange = exchange
        self.requirement = requirement
        self.detail = detail
        super().__init__(f"expected {expected}; observed {observed}" + (f" ({detail})" if detail else ""))


class NotReady(Exception):  # noqa: N818 - blames the environment: nothing is said about conformance
    """A control did not work, or an object was not in force within its bound, so that the check could not even begin."""
