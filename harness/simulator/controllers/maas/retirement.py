"""The orderly end of an AITenant: keys first, by a Job, then what was made for it, then the labels; people's objects stay."""

from datetime import UTC, datetime

from harness.simulator.controllers.maas import tenant as tenants
from harness.simulator.controllers.maas import workload
from harness.simulator.controllers.maas.gatewaypolicy import auth_policy_name, suffixed
from harness.simulator.controllers.maas.names import TENANT_FINALIZER
from harness.simulator.controllers.maas.telemetry import telemetry_name
from harness.simulator.controllers.maas.view import View
from harness.simulator.controllers.runtime.condition import Condition, find, holds, truth, update
from harness.simulator.controllers.runtime.event import Recorder
from harness.simulator.controllers.runtime.kind import (
    AI_TENANT,
    AUTH_POLICY,
    CRON_JOB,
    DEPLOYMENT,
    HTTP_ROUTE,
    JOB,
    MAAS_TENANT_CONFIG,
    NAMESPACE,
    ROLE,
    SERVICE,
    TELEMETRY_POLICY,
    TOKEN_RATE_LIMIT_POLICY,
    Kind,
)
from harness.simulator.controllers.runtime.manifest import (
    Key,
    Manifest,
    generation,
    is_deleting,
    key_of,
    status,
    timestamp,
)

LOOK_AGAIN_S = 2.0


class Retirement:
    """Takes an AITenant that is being deleted one step further each time it is asked."""

    def __init__(self, view: View, recorder: Recorder) -> None:
        self._view = view
        self._cluster = view.cluster
        self._recorder = recorder

    async def advance(self, tenant: Manifest) -> float | None:
        """Revoke, dismantle, let go; seconds after which to look again, None when the next change brings us back."""
        key = key_of(tenant)
        if TENANT_FINALIZER not in (tenant["metadata"].get("finalizers") or ()):
            return None
        revoked, trouble = await self._revoked(tenant)
        if not revoked and self._has_waited_long_enough(tenant):
            await self._force(tenant, trouble)
            revoked = True
        elif not revoked:
            await self._tell(tenant, trouble)
            return LOOK_AGAIN_S
        else:
            tenant = await self._tell(tenant, "", revoked=True)
        await self._dismantle(key, tenants.gateway_of(tenant, self._view.settings))
        latest = self._cluster.store(AI_TENANT).get(key) or tenant
        await self._cluster.remove_finalizer(AI_TENANT, latest, TENANT_FINALIZER)
        return None

    async def _revoked(self, tenant: Manifest) -> tuple[bool, str]:
        """Whether the tenant's keys are revoked, and what went wrong with it so far. A Job that failed is tried anew."""
        settings = self._view.settings
        place = Key(settings.infra, workload.revocation_name(tenant))
        job = self._cluster.store(JOB).get(place)
        if job is None:
            if not self._has_api(tenant["metadata"]["name"]):
                return True, ""
            await self._cluster.create(JOB, workload.revocation(tenant, settings))
            return False, ""
        if is_deleting(job):
            return False, ""
        conditions = status(job).get("conditions")
        if holds(conditions, "Complete"):
            return True, ""
        failures = int(status(job).get("failed") or 0)
        if holds(conditions, "Failed"):
            await self._cluster.delete(JOB, job)
        if not failures:
            return False, ""
        reason = (find(conditions, "Failed") or {}).get("message") or f"{failures} of its attempts failed"
        return False, f"Job {place} does not revoke the tenant's API keys: {reason}"

    def _has_api(self, tenant: str) -> bool:
        """Whether anything of a maas-api was ever there; a tenant that never had one has no keys."""
        settings = self._view.settings
        kinds = (
            (DEPLOYMENT, workload.api_name(tenant)),
            (SERVICE, workload.api_name(tenant)),
            (CRON_JOB, workload.cleanup_name(tenant)),
        )
        return any(self._cluster.store(kind).get(Key(settings.infra, name)) is not None for kind, name in kinds)

    def _has_waited_long_enough(self, tenant: Manifest) -> bool:
        bound = self._view.settings.deletion_timeout_s
        since = datetime.fromisoformat(tenant["metadata"]["deletionTimestamp"])
        return 0 < bound <= (datetime.now(UTC) - since).total_seconds()

    async def _force(self, tenant: Manifest, trouble: str) -> None:
        bound = self._view.settings.deletion_timeout_s
        text = (
            f"clean-up was blocked for more than {bound:g} s and is forced: {trouble or 'the keys are not revoked yet'}"
        )
        self._recorder.record(tenant, "Warning", "AITenantCleanupForced", text)
        await self._write(
            tenant, Condition("Ready", "False", "CleanupForced", text, generation(tenant)), False, trouble
        )

    async def _tell(self, tenant: Manifest, trouble: str, *, revoked: bool = False) -> Manifest:
        """A Job that is being tried anew has not failed yet; the trouble that was told stays until it succeeds."""
        before = find(status(tenant).get("conditions"), "Ready") or {}
        if not trouble and not revoked and before.get("reason") == "DeletionBlocked":
            trouble = str(before.get("message"))
        reason = "DeletionBlocked" if trouble else "DeletionInProgress"
        ready = Condition("Ready", "False", reason, trouble, generation(tenant))
        return await self._write(tenant, ready, revoked, trouble)

    async def _write(self, tenant: Manifest, ready: Condition, revoked: bool, trouble: str) -> Manifest:
        why = "Revoked" if revoked else "RevocationFailed" if trouble else "RevocationInProgress"
        keys = Condition("APIKeysRevoked", truth(revoked), why, trouble, generation(tenant))
        conditions = update(status(tenant).get("conditions"), [keys, ready], timestamp())
        wanted = status(tenant) | {"phase": "Terminating", "conditions": conditions}
        return await self._cluster.write_status(AI_TENANT, tenant, wanted)

    async def _dismantle(self, key: Key, gateway: Key) -> None:
        settings = self._view.settings
        name, space = key.name, tenants.namespace_of(key.name, settings)
        doomed: list[tuple[Kind, Key]] = [
            (CRON_JOB, Key(settings.infra, workload.cleanup_name(name))),
        ]
        if not workload.is_default(name):
            doomed += [
                (DEPLOYMENT, Key(settings.infra, workload.api_name(name))),
                (SERVICE, Key(settings.infra, workload.api_name(name))),
                (AUTH_POLICY, Key(gateway.namespace, auth_policy_name(gateway, name))),
                (TOKEN_RATE_LIMIT_POLICY, Key(gateway.namespace, suffixed("gateway-default-deny", name))),
                (TELEMETRY_POLICY, Key(gateway.namespace, telemetry_name(name))),
                (HTTP_ROUTE, Key(settings.infra, suffixed("maas-api-route", name))),
            ]
        for kind, place in doomed:
            found = self._cluster.store(kind).get(place)
            if found is not None:
                await self._cluster.delete(kind, found)
        for kind, own in ((MAAS_TENANT_CONFIG, tenants.CONFIG), (ROLE, tenants.ADMIN_ROLE)):
            found = self._cluster.store(kind).get(Key(space, own))
            if found is not None and tenants.belongs_to(found, key):
                await self._cluster.delete(kind, found)
        await self._strip(key, Key("", space))

    async def _strip(self, key: Key, space: Key) -> None:
        live = self._cluster.store(NAMESPACE).get(space)
        if live is None or not tenants.belongs_to(live, key):
            return
        gone = dict.fromkeys(tenants.namespace_labels(key, self._view.settings))
        notes = dict.fromkeys(tenants.namespace_annotations(key))
        await self._cluster.patch(NAMESPACE, space, {"metadata": {"labels": gone, "annotations": notes}})
