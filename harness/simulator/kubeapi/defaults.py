"""Defaults of built-in kinds, as a cluster fills them in when it decodes an object."""

from collections.abc import Callable
from typing import Any

from harness.simulator.kubeapi import crds

Json = dict[str, Any]


def _set(target: Json, **values: Any) -> None:
    for name, value in values.items():
        target.setdefault(name, value)


def pod_spec(spec: Json) -> None:
    """Defaults of a pod's spec, in place."""
    _set(spec, restartPolicy="Always", terminationGracePeriodSeconds=30, dnsPolicy="ClusterFirst", securityContext={},
         schedulerName="default-scheduler")  # fmt: skip
    for container in (spec.get("containers") or []) + (spec.get("initContainers") or []):
        if not isinstance(container, dict):
            continue
        image = str(container.get("image", ""))
        latest = ":" not in image.rpartition("/")[2] or image.endswith(":latest")
        pull = "Always" if latest and "@" not in image else "IfNotPresent"
        _set(
            container,
            terminationMessagePath="/dev/termination-log",
            terminationMessagePolicy="File",
            imagePullPolicy=pull,
            resources={},
        )
        for port in container.get("ports") or ():
            if isinstance(port, dict):
                _set(port, protocol="TCP")
        for name in ("livenessProbe", "readinessProbe", "startupProbe"):
            probe = container.get(name)
            if isinstance(probe, dict):
                _set(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
                if isinstance(probe.get("httpGet"), dict):
                    _set(probe["httpGet"], scheme="HTTP", path="/")


def _pod(value: Json) -> None:
    if isinstance(value.get("spec"), dict):
        pod_spec(value["spec"])
        spec = value["spec"]
        _set(
            spec,
            enableServiceLinks=True,
            serviceAccountName="default",
            preemptionPolicy="PreemptLowerPriority",
            priority=0,
        )


def _template(value: Json) -> Json | None:
    spec = value.get("spec")
    if not isinstance(spec, dict):
        return None
    template = spec.get("template")
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        pod_spec(template["spec"])
        template.setdefault("metadata", {})
    return spec


def _deployment(value: Json) -> None:
    spec = _template(value)
    if spec is not None:
        _set(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
        if isinstance(spec["strategy"], dict):
            _set(spec["strategy"], type="RollingUpdate")
            if spec["strategy"]["type"] == "RollingUpdate":
                _set(spec["strategy"], rollingUpdate={})
                if isinstance(spec["strategy"]["rollingUpdate"], dict):
                    _set(spec["strategy"]["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")


def _replicas(value: Json) -> None:
    spec = _template(value)
    if spec is not None:
        _set(spec, replicas=1)


def _daemon(value: Json) -> None:
    spec = _template(value)
    if spec is not None:
        _set(spec, revisionHistoryLimit=10)


def _job(value: Json) -> None:
    spec = _template(value)
    if spec is not None:
        _set(spec, backoffLimit=6, completions=1, parallelism=1, completionMode="NonIndexed", suspend=False)


def _cron_job(value: Json) -> None:
    spec = value.get("spec")
    if not isinstance(spec, dict):
        return
    _set(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    template = spec.get("jobTemplate")
    if isinstance(template, dict):
        _template(template)
        template.setdefault("metadata", {})


def _service(value: Json) -> None:
    spec = value.get("spec")
    if not isinstance(spec, dict):
        return
    _set(spec, sessionAffinity="None", type="ClusterIP")
    if spec["type"] != "ExternalName":
        _set(spec, internalTrafficPolicy="Cluster", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    for port in spec.get("ports") or ():
        if isinstance(port, dict):
            _set(port, protocol="TCP")
            if "port" in port:
                _set(port, targetPort=port["port"])


def _endpoint_slice(value: Json) -> None:
    for port in value.get("ports") or ():
        if isinstance(port, dict):
            _set(port, name="", protocol="TCP")
    for endpoint in value.get("endpoints") or ():
        if isinstance(endpoint, dict):
            _set(endpoint, conditions={})


def _endpoints(value: Json) -> None:
    for subset in value.get("subsets") or ():
        for port in (subset.get("ports") or ()) if isinstance(subset, dict) else ():
            _set(port, protocol="TCP")


def _network_policy(value: Json) -> None:
    spec = value.get("spec")
    if isinstance(spec, dict):
        _set(spec, policyTypes=["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])


def _secret(value: Json) -> None:
    _set(value, type="Opaque")


def _binding(value: Json) -> None:
    if isinstance(value.get("roleRef"), dict):
        _set(value["roleRef"], apiGroup="rbac.authorization.k8s.io")
    for subject in value.get("subjects") or ():
        if isinstance(subject, dict) and subject.get("kind") in {"User", "Group"}:
            _set(subject, apiGroup="rbac.authorization.k8s.io")


def _webhooks(value: Json) -> None:
    for hook in value.get("webhooks") or ():
        if not isinstance(hook, dict):
            continue
        _set(
            hook,
            failurePolicy="Fail",
            matchPolicy="Equivalent",
            namespaceSelector={},
            objectSelector={},
            timeoutSeconds=10,
        )
        service = (hook.get("clientConfig") or {}).get("service")
        if isinstance(service, dict):
            _set(service, port=443)
        for rule in hook.get("rules") or ():
            if isinstance(rule, dict):
                _set(rule, scope="*")


DEFAULTS: dict[str, Callable[[Json], None]] = {
    "Pod": _pod,
    "Deployment": _deployment,
    "ReplicaSet": _replicas,
    "StatefulSet": _replicas,
    "DaemonSet": _daemon,
    "CustomResourceDefinition": crds.fill_in,
    "Job": _job,
    "CronJob": _cron_job,
    "Service": _service,
    "Secret": _secret,
    "Endpoints": _endpoints,
    "EndpointSlice": _endpoint_slice,
    "NetworkPolicy": _network_policy,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "ValidatingWebhookConfiguration": _webhooks,
    "MutatingWebhookConfiguration": _webhooks,
}
