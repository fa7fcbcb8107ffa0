"""External models: which route a provider's model has."""

from harness.simulator.controllers.kserve.names import child_name
from harness.simulator.controllers.maas.view import View
from harness.simulator.controllers.runtime.kind import EXTERNAL_MODEL, LEGACY_EXTERNAL_MODEL
from harness.simulator.controllers.runtime.manifest import Key, status


def external_backend_route(view: View, key: Key) -> tuple[bool, str]:
    """Whether the ExternalModel exists, and its route's name (empty while it has none).

    The inference group goes before the legacy one, which is asked only when the former lacks the object.
    """
    current = view.cluster.store(EXTERNAL_MODEL).get(key)
    if current is not None:
        return True, str(status(current).get("httpRouteName") or "")
    legacy = view.cluster.store(LEGACY_EXTERNAL_MODEL).get(key)
    return legacy is not None, legacy_name(key.name)


def legacy_name(name: str) -> str:
    """Name of everything that a legacy ExternalModel becomes: `maas-` and its own, shortened where needed."""
    return child_name(f"maas-{name}", "")
