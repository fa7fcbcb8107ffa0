"""Objects between the versions of their kind: by name alone (strategy `None`), or by the webhook that the definition names."""

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from harness.simulator.kubeapi.criticality import carry
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.status import ApiError, internal
from harness.simulator.kubeapi.structural import prune
from harness.simulator.kubeapi.webhook_client import Caller, UnreachableError

if TYPE_CHECKING:
    from harness.simulator.kubeapi.cluster import Cluster

Json = dict[str, Any]


class Converter:
    """Converts the objects of one server."""

    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = cluster
        self._caller = Caller(cluster)

    async def convert(self, values: Sequence[Json], resource: Resource, api_version: str) -> list[Json]:
        """The objects in another version, without the fields that it does not know. Raises ApiError 500 when the webhook fails."""
        if all(value.get("apiVersion") == api_version for value in values):
            return list(values)
        settings = resource.conversion
        if settings is not None and settings.get("strategy") == "Webhook":
            found = await self._by_webhook(values, resource, settings["webhook"], api_version)
        else:
            found = [{**orjson.loads(orjson.dumps(value)), "apiVersion": api_version} for value in values]
            for value, before in zip(found, values, strict=True):
                carry(value, str(before.get("apiVersion")))
        target = self._cluster.registry.find(resource.group, api_version.rpartition("/")[2], resource.plural)
        if target is not None:
            for value in found:
                prune(value, target.schema(), root=True)
        return found

    async def _by_webhook(
        self, values: Sequence[Json], resource: Resource, webhook: Json, api_version: str
    ) -> list[Json]:
        request = {"uid": str(uuid.uuid4()), "desiredAPIVersion": api_version, "objects": list(values)}
        body = {"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1", "request": request}
        try:
            answer = await self._caller.call(webhook["clientConfig"], 30, body)
        except UnreachableError as error:
            raise _failed(resource, str(error)) from error
        response = answer.get("response")
        if not isinstance(response, dict) or response.get("uid") != request["uid"]:
            raise _failed(resource, "expected response.uid to be that of the request, and got another or none")
        result = response.get("result") or {}
        if result.get("status") != "Success":
            raise _failed(resource, str(result.get("message") or "the webhook gave no reason"))
        objects = response.get("convertedObjects")
        if not isinstance(objects, list) or len(objects) != len(values):
            raise _failed(resource, f"expected {len(values)} converted objects")
        return [_checked(before, after, resource, api_version) for before, after in zip(values, objects, strict=True)]


def _checked(before: Json, after: Any, resource: Resource, api_version: str) -> Json:
    """A converted object with the metadata of the original: webhooks may change labels and annotations, nothing else."""
    if not isinstance(after, dict) or after.get("apiVersion") != api_version or after.get("kind") != before.get("kind"):
        raise _failed(resource, f"expected every converted object to be a {resource.kind} of {api_version}")
    meta = dict(before["metadata"])
    given = after.get("metadata")
    changed: Json = given if isinstance(given, dict) else {}
    for name in ("labels", "annotations"):
        meta.pop(name, None)
        if changed.get(name):
            meta[name] = changed[name]
    return {**after, "metadata": meta}


def _failed(resource: Resource, why: str) -> ApiError:
    return internal(f"conversion webhook for {resource.group}, Kind={resource.kind} failed: {why}")
