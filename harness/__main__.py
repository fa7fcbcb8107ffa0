"""`python -m harness` is the command `maas-conformance`."""

from harness.cli import main

main()
