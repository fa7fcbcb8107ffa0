"""A kind cluster of its own, with the reference platform in containers."""

from contextlib import AbstractContextManager

from harness.platforms.platform import Platform
from harness.platforms.target import Progress, TargetOptions


def open_platform(options: TargetOptions, progress: Progress) -> AbstractContextManager[Platform]:
    """Create it for the length of a `with` block; `keep` leaves it running."""
    from harness.platforms.kind.session import kind_platform

    return kind_platform(options, progress)


def plan_text(options: TargetOptions) -> str:
    """Every step that opening would take, as text; nothing is created."""
    from harness.platforms.kind.session import planned_text

    return planned_text(options)
