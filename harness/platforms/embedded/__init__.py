"""The reference platform as processes on this machine's loopback."""

from contextlib import AbstractContextManager

from harness.platforms.platform import Platform
from harness.platforms.target import Progress, TargetOptions


def open_platform(options: TargetOptions, progress: Progress) -> AbstractContextManager[Platform]:
    """Start it for the length of a `with` block. Call it from a thread that lives as long as the block does."""
    from harness.platforms.embedded.session import embedded_platform

    return embedded_platform(options, progress)
