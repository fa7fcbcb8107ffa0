"""Admission: the webhooks that controllers register, asked before a write."""

import base64
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jsonpatch
import jsonpointer

from harness.simulator.kubeapi.cel import CONDITION_VARIABLES, CelError, compile_rule
from harness.simulator.kubeapi.changes import Change
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.selectors import labels_match, of_label_selector
from harness.simulator.kubeapi.status import ApiError, forbidden, internal
from harness.simulator.kubeapi.store import Bucket
from harness.simulator.kubeapi.webhook_client import Caller, UnreachableError

if TYPE_CHECKING:
    from harness.simulator.kubeapi.requests import Write

Json = dict[str, Any]
_GROUP = "admissionregistration.k8s.io"
_KINDS = {"mutatingwebhookconfigurations": "mutate", "validatingwebhookconfigurations": "validate"}


@dataclass(frozen=True, slots=True)
class Hook:
    """One registered webhook."""

    stage: str
    settings: Json

    @property
    def name(self) -> str:
        """The webhook's own name, which refusals quote."""
        return str(self.settings["name"])


@dataclass(frozen=True, slots=True)
class Review:
    """What a webhook is asked about."""

    operation: str
    value: Json | None
    old: Json | None
    write: "Write"


class Admission:
    """Asks every matching webhook; the list of webhooks follows the stored configurations."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._hooks: list[Hook] | None = None
        self._caller = Caller(cluster)
        cluster.store.listen(self._changed)

    def _changed(self, bucket: Bucket, _change: Change) -> None:
        if bucket[0] == _GROUP:
            self._hooks = None

    def _all(self) -> list[Hook]:
        if self._hooks is None:
            self._hooks = [
                Hook(stage, settings)
                for plural, stage in _KINDS.items()
                for entry in self._cluster.store.objects((_GROUP, plural))
                for settings in entry.decode().get("webhooks") or ()
            ]
        return self._hooks

    async def mutate(self, operation: str, value: Json, write: "Write", old: Json | None = None) -> Json:
        """The object after every mutating webhook. Raises ApiError when one refuses."""
        for hook, version in self._matching("mutate", Review(operation, value, old, write)):
            response = await self._ask(hook, Review(operation, value, old, write), version)
            if response.get("patch"):
                value = _patched(await self._cluster.converted(value, write.resource, version), response, hook)
                value = await self._cluster.converted(value, write.resource, write.resource.api_version)
        return value

    async def validate(self, operation: str, value: Json | None, old: Json | None, write: "Write") -> None:
        """Ask every validating webhook. Raises ApiError when one refuses."""
        review = Review(operation, value, old, write)
        for hook, version in self._matching("validate", review):
            await self._ask(hook, review, version)

    def _matching(self, stage: str, review: Review) -> list[tuple[Hook, str]]:
        hooks = self._all()
        if not hooks or review.write.resource.group == _GROUP:
            return []
        found = []
        for hook in hooks:
            version = self._matched_version(hook, review) if hook.stage == stage else None
            if version is not None and self._selected(hook, review) and _conditions_hold(hook, review, version):
                found.append((hook, version))
        return found

    def _matched_version(self, hook: Hook, review: Review) -> str | None:
        resource = review.write.resource
        for rule in hook.settings.get("rules") or ():
            if not _covers(rule, review):
                continue
            versions = rule.get("apiVersions") or ()
            if "*" in versions or resource.version in versions:
                return resource.api_version
            if hook.settings.get("matchPolicy", "Equivalent") == "Equivalent":
                for version in versions:
                    if self._cluster.registry.find(resource.group, version, resource.plural) is not None:
                        return f"{resource.group}/{version}" if resource.group else str(version)
        return None

    def _selected(self, hook: Hook, review: Review) -> bool:
        selector = of_label_selector(hook.settings.get("objectSelector"))
        states = [state for state in (review.value, review.old) if state]
        if selector and not any(labels_match(selector, state["metadata"].get("labels") or {}) for state in states):
            return False
        selector = of_label_selector(hook.settings.get("namespaceSelector"))
        if not selector:
            return True
        if review.write.resource.kind == "Namespace" and states:
            return labels_match(selector, states[0]["metadata"].get("labels") or {})
        namespace = self._cluster.store.get(("", "namespaces"), "", review.write.namespace)
        return namespace is None or labels_match(selector, namespace.labels)

    async def _in_version(self, review: Review, version: str) -> Review:
        resource = review.write.resource
        states = [
            await self._cluster.converted(state, resource, version) if state else None
            for state in (review.value, review.old)
        ]
        return Review(review.operation, states[0], states[1], review.write)

    async def _response(self, hook: Hook, body: Json) -> Json:
        answer = await self._caller.call(hook.settings["clientConfig"], hook.settings.get("timeoutSeconds", 10), body)
        response = answer.get("response")
        if not isinstance(response, dict) or response.get("uid") != body["request"]["uid"]:
            raise UnreachableError("expected response.uid to be that of the request, and got another or none")
        return response

    async def _ask(self, hook: Hook, review: Review, version: str) -> Json:
        body = _review_body(await self._in_version(review, version), version)
        try:
            response = await self._response(hook, body)
        except UnreachableError as error:
            if hook.settings.get("failurePolicy", "Fail") == "Ignore":
                return {}
            raise internal(f'failed calling webhook "{hook.name}": {error}') from error
        review.write.warnings.extend(str(text) for text in response.get("warnings") or ())
        if not response.get("allowed"):
            raise _denied(hook, response.get("status") or {})
        return response


def _conditions_hold(hook: Hook, review: Review, version: str) -> bool:
    conditions = hook.settings.get("matchConditions") or ()
    if not conditions:
        return True
    request = _review_body(review, version)["request"]
    variables = {"object": request["object"], "oldObject": request["oldObject"], "request": request}
    broken = ""
    for each in conditions:
        try:
            if compile_rule(each["expression"], CONDITION_VARIABLES).evaluate(variables) is not True:
                return False
        except CelError as error:
            broken = f"expression '{each['expression']}' resulted in error: {error}"
    if broken and hook.settings.get("failurePolicy", "Fail") == "Fail":
        raise forbidden(review.write.resource.plural, review.write.resource.group, review.write.name, broken)
    return not broken


def _covers(rule: Json, review: Review) -> bool:
    write = review.write
    resource: Resource = write.resource
    if not {"*", review.operation} & set(rule.get("operations") or ()):
        return False
    if not {"*", resource.group} & set(rule.get("apiGroups") or ()):
        return False
    if rule.get("scope", "*") not in {"*", "Namespaced" if resource.namespaced else "Cluster"}:
        return False
    name = f"{resource.plural}/{write.subresource}" if write.subresource else resource.plural
    wildcards = {f"*/{write.subresource}", f"{resource.plural}/*", "*/*"} if write.subresource else {"*", "*/*"}
    return bool(({name} | wildcards) & set(rule.get("resources") or ()))


def _review_body(review: Review, version: str) -> Json:
    write = review.write
    resource = write.resource
    group, _, number = version.rpartition("/")
    kind = {"group": group, "version": number, "kind": resource.kind}
    place = {"group": group, "version": number, "resource": resource.plural}
    states = [state for state in (review.value, review.old) if state]
    request: Json = {
        "uid": str(uuid.uuid4()),
        "kind": kind,
        "resource": place,
        "requestKind": {**kind, "version": resource.version},
        "requestResource": {**place, "version": resource.version},
        "name": write.name or (states[0]["metadata"].get("name", "") if states else ""),
        "operation": review.operation,
        "userInfo": write.user.info() if write.user is not None else {},
        "object": review.value or None,
        "oldObject": review.old or None,
        "dryRun": write.dry_run,
        "options": None,
    }
    if write.namespace:
        request["namespace"] = write.namespace
    if write.subresource:
        request["subResource"] = request["requestSubResource"] = write.subresource
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def _denied(hook: Hook, status: Json) -> ApiError:
    text = f'admission webhook "{hook.name}" denied the request'
    if status.get("message"):
        text = f"{text}: {status['message']}"
    elif status.get("reason"):
        text = f"{text}: {status['reason']}"
    else:
        text = f"{text} without explanation"
    code = status.get("code")
    code = code if isinstance(code, int) and 400 <= code < 600 else 400
    return ApiError(
        code, str(status.get("reason") or ("Forbidden" if code == 403 else "BadRequest")), text, status.get("details")
    )


def _patched(value: Json, response: Json, hook: Hook) -> Json:
    try:
        operations = jsonpatch.JsonPatch.from_string(base64.b64decode(response["patch"]).decode())
        result = operations.apply(value)
    except (ValueError, TypeError, KeyError, jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        raise internal(f'webhook "{hook.name}" sent a patch that cannot be applied: {error}') from error
    if not isinstance(result, dict):
        raise internal(f'webhook "{hook.name}" sent a patch that leaves no object')
    return result
