"""A revoked or expired key goes on working."""

from harness.selftest.overlay import run_with
from harness.simulator.maas_api import internal_api
from harness.simulator.maas_api.__main__ import main
from harness.simulator.maas_api.credential import parse
from harness.simulator.maas_api.record import KeyRecord
from harness.simulator.maas_api.service import Service


async def valid(service: Service, text: str) -> tuple[KeyRecord | None, str]:
    """Any key that was ever made."""
    credential = parse(text)
    record = await service.store.by_hash(credential.digest()) if credential is not None else None
    return record, "key not found"


if __name__ == "__main__":
    run_with(internal_api, "_valid", valid, main)
