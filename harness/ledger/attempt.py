"""One finished request as the quota oracle sees it, and what it says of one that its model forbids."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attempt:
    """Whether a request was admitted, what it cost, and the most that it could have cost (prompt and `max_tokens`), in tokens.

    `cost` is None when an admitted answer did not say, `size` when the request named no maximum.
    """

    admitted: bool
    cost: int | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The first attempt that the model forbids; `number` counts from 1."""

    number: int
    expected: str
    observed: str


@dataclass(frozen=True, slots=True)
class Span:
    """Whole numbers from `least` to `most`, both included."""

    least: int
    most: int

    def __contains__(self, number: int) -> bool:
        return self.least <= number <= self.most

    def __str__(self) -> str:
        return str(self.least) if self.least == self.most else f"between {self.least} and {self.most}"
