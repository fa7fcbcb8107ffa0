"""What runs for a tenant in the infra namespace: its management API, the Service in front, and errands to it as Jobs."""

import hashlib
from typing import Any

from harness.simulator.controllers.maas.gatewaypolicy import API_PORT, suffixed
from harness.simulator.controllers.maas.names import DEFAULT_TENANT, MANAGED_BY, MANAGER, Settings
from harness.simulator.controllers.maas.tenant import MOST_REPLICAS, namespace_of
from harness.simulator.controllers.runtime.condition import holds
from harness.simulator.controllers.runtime.manifest import Key, Manifest, annotations, generation, key_of, spec, status

DATABASE_SECRET, DATABASE_KEY = "maas-db-config", "DB_CONNECTION_URL"
REPLICAS = "maas.opendatahub.io/maas-api-replicas"
API_MODULE = "harness.simulator.maas_api"
SCHEDULE = "*/15 * * * *"
METRICS_PORT = 9090
KEPT_S = 600
LONGEST_CRON_JOB = 52
"""Characters of a CronJob's name: its Jobs' names are eleven longer."""
READY_FILE = "/tmp/ready"  # noqa: S108 - a path inside the Pod, on a volume of its own
CONFINED = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}


def api_name(tenant: str) -> str:
    """Name of a tenant's Deployment and Service of maas-api."""
    return suffixed("maas-api", tenant)


def cleanup_name(tenant: str) -> str:
    """Name of the CronJob that has expired keys of a tenant removed."""
    name = suffixed("maas-api-key-cleanup", tenant)
    return name if len(name) <= LONGEST_CRON_JOB else f"{name[: LONGEST_CRON_JOB - 9]}-{_digest(name)}"


def revocation_name(tenant: Manifest) -> str:
    """Name of the Job that revokes all keys of a tenant that is being deleted; a tenant made anew has another."""
    metadata = tenant["metadata"]
    return f"maas-revoke-{metadata['name']}-{_digest(metadata['uid'])}"


def api_url(tenant: str, settings: Settings) -> str:
    """Where a tenant's maas-api answers inside the cluster."""
    return f"http://{api_name(tenant)}.{settings.infra}.svc.cluster.local:{API_PORT}"


def deployment(tenant: Key, gateway: Key, config: Manifest, settings: Settings) -> Manifest:
    """A tenant's maas-api. Its keys lie in the database that the Secret names, told apart by the tenant's name."""
    name = api_name(tenant.name)
    container = {
        "name": "main",
        "image": settings.api_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", API_MODULE],
        "args": [
            "--bind",
            f"0.0.0.0:{API_PORT}",
            "--metrics-bind",
            f"0.0.0.0:{METRICS_PORT}",
            "--ready-file",
            READY_FILE,
        ],
        "env": _environment(tenant, gateway, settings),
        "ports": [{"name": "http", "containerPort": API_PORT}, {"name": "metrics", "containerPort": METRICS_PORT}],
        "readinessProbe": {"exec": {"command": ["test", "-f", READY_FILE]}, "periodSeconds": 2},
        "securityContext": CONFINED,
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - as above
    }
    pod = {
        "serviceAccountName": settings.api_account,
        "containers": [container],
        "securityContext": {"fsGroup": 65532},
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
    }
    chosen = {"app.kubernetes.io/name": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(name, tenant, settings),
        "spec": {
            "replicas": replicas(config),
            "selector": {"matchLabels": chosen},
            "template": {"metadata": {"labels": chosen | _labels(tenant)}, "spec": pod},
        },
    }


def service(tenant: Key, settings: Settings) -> Manifest:
    """The Service that the gateway and the authorizer reach a tenant's maas-api by."""
    name = api_name(tenant.name)
    port = {"name": "http", "port": API_PORT, "targetPort": API_PORT, "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(name, tenant, settings),
        "spec": {"selector": {"app.kubernetes.io/name": name}, "ports": [port]},
    }


def cleanup(tenant: Key, settings: Settings) -> Manifest:
    """Has ephemeral keys that have expired removed, every quarter of an hour."""
    url = f"{api_url(tenant.name, settings)}/internal/v1/api-keys/cleanup"
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": _metadata(cleanup_name(tenant.name), tenant, settings),
        "spec": {
            "schedule": SCHEDULE,
            "concurrencyPolicy": "Forbid",
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {"spec": _errand("POST", url, tenant, settings, attempts=2)},
        },
    }


def revocation(deleted: Manifest, settings: Settings) -> Manifest:
    """Has all keys of a tenant revoked. It stays a while when it is done, to be looked at."""
    tenant = key_of(deleted)
    url = f"{api_url(tenant.name, settings)}/internal/v1/tenants/{tenant.name}/api-keys"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(revocation_name(deleted), tenant, settings),
        "spec": _errand("DELETE", url, tenant, settings, attempts=1) | {"ttlSecondsAfterFinished": KEPT_S},
    }


def replicas(config: Manifest) -> int:
    """How many instances the annotation asks for; one where it asks for none or says no number."""
    wished = annotations(config).get(REPLICAS, "1")
    return int(wished) if wished.isdecimal() and 1 <= int(wished) <= MOST_REPLICAS else 1


def is_available(deployed: Manifest | None) -> bool:
    """Whether a Deployment serves in its present form."""
    if deployed is None or int(status(deployed).get("observedGeneration") or 0) < generation(deployed):
        return False
    wanted = int(spec(deployed).get("replicas", 1))
    enough = int(status(deployed).get("availableReplicas") or 0) >= max(wanted, 1)
    return enough and holds(status(deployed).get("conditions"), "Available")


def _errand(method: str, url: str, tenant: Key, settings: Settings, *, attempts: int) -> dict[str, Any]:
    container = {
        "name": "errand",
        "image": settings.api_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", f"{API_MODULE}.errand"],
        "args": [method, url],
        "securityContext": CONFINED,
    }
    pod = {
        "restartPolicy": "Never",
        "serviceAccountName": settings.api_account,
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True},
        "containers": [container],
    }
    return {
        "backoffLimit": attempts - 1,
        "activeDeadlineSeconds": 120,
        "template": {"metadata": {"labels": _labels(tenant)}, "spec": pod},
    }


def _environment(tenant: Key, gateway: Key, settings: Settings) -> list[dict[str, Any]]:
    literal = {
        "TENANT_NAME": tenant.name,
        "AITENANT_NAME": tenant.name,
        "AITENANT_NAMESPACE": tenant.namespace,
        "INSTANCE_NAME": api_name(tenant.name),
        "MAAS_SUBSCRIPTION_NAMESPACE": namespace_of(tenant.name, settings),
        "GATEWAY_NAME": gateway.name,
        "GATEWAY_NAMESPACE": gateway.namespace,
    }
    secret = {"secretKeyRef": {"name": DATABASE_SECRET, "key": DATABASE_KEY}}
    return [
        *({"name": name, "value": value} for name, value in literal.items()),
        {"name": "DB_CONNECTION_URL", "valueFrom": secret},
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _labels(tenant: Key) -> dict[str, str]:
    return {
        "app.kubernetes.io/part-of": "maas",
        "app.kubernetes.io/component": "maas-api",
        "maas.opendatahub.io/tenant-name": tenant.name,
    }


def _metadata(name: str, tenant: Key, settings: Settings) -> dict[str, Any]:
    own = {"app.kubernetes.io/name": name, MANAGED_BY: MANAGER}
    placed = {"maas.opendatahub.io/tenant-namespace": namespace_of(tenant.name, settings)}
    return {"name": name, "namespace": settings.infra, "labels": _labels(tenant) | own | placed}


def is_default(tenant: str) -> bool:
    """Whether the installer, and not this controller, runs the tenant's maas-api."""
    return tenant == DEFAULT_TENANT
