"""The few verbs in which the suite talks to an API server; every answer is the raw response."""

import json
from dataclasses import dataclass
from typing import Any

import httpx

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@dataclass(frozen=True, slots=True)
class Collection:
    """One resource in one place: `/apis/GROUP/VERSION[/namespaces/NS]/PLURAL`."""

    client: httpx.Client
    path: str

    def create(self, body: Any, **query: str) -> httpx.Response:
        return self.client.post(self.path, json=body, params=query)

    def get(self, name: str, subresource: str = "", accept: str = "application/json", **query: str) -> httpx.Response:
        return self.client.get(self._of(name, subresource), params=query, headers={"Accept": accept})

    def all(self, accept: str = "application/json", **query: str) -> httpx.Response:
        return self.client.get(self.path, params=query, headers={"Accept": accept})

    def replace(self, body: Any, subresource: str = "", **query: str) -> httpx.Response:
        return self.client.put(self._of(body["metadata"]["name"], subresource), json=body, params=query)

    def patch(self, name: str, body: Any, media: str = MERGE, subresource: str = "", **query: str) -> httpx.Response:
        return self.client.patch(
            self._of(name, subresource), content=json.dumps(body), params=query, headers={"Content-Type": media}
        )

    def apply(self, body: Any, manager: str, subresource: str = "", **query: str) -> httpx.Response:
        return self.patch(body["metadata"]["name"], body, APPLY, subresource, fieldManager=manager, **query)

    def delete(self, name: str, body: Any = None, **query: str) -> httpx.Response:
        content = None if body is None else json.dumps(body)
        return self.client.request(
            "DELETE", self._of(name, ""), content=content, params=query, headers={"Content-Type": "application/json"}
        )

    def delete_all(self, **query: str) -> httpx.Response:
        return self.client.request("DELETE", self.path, params=query)

    def watch(self, seconds: int, **query: str) -> list[dict[str, Any]]:
        """Every event of a watch that the server itself ends after `seconds`."""
        return [json.loads(line) for line in self.open_watch(seconds, **query).text.splitlines()]

    def open_watch(self, seconds: int, **query: str) -> httpx.Response:
        return self.client.get(self.path, params={"watch": "true", "timeoutSeconds": str(seconds), **query})

    def _of(self, name: str, subresource: str) -> str:
        return f"{self.path}/{name}" + (f"/{subresource}" if subresource else "")


def names(response: httpx.Response) -> list[str]:
    """Names of the items of a list, in the server's order."""
    return [item["metadata"]["name"] for item in response.json()["items"]]


def causes(response: httpx.Response) -> list[tuple[str, str]]:
    """Field and reason of each cause of a refusal, sorted."""
    return sorted((one["field"], one["reason"]) for one in response.json()["details"]["causes"])
