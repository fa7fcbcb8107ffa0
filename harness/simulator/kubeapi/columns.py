"""Printer columns of the built-in kinds."""

from harness.simulator.kubeapi.resources import Column

BUILTIN_COLUMNS: dict[str, tuple[Column, ...]] = {}
