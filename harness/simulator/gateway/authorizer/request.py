"""What the authorizer is asked about, and what the path and the body say about the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

MANAGEMENT_SEGMENTS = ("v1", "maas-api")


class Purpose(StrEnum):
    """What a request wants from the platform."""

    MANAGEMENT = "management"
    INFERENCE = "inference"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One request as Envoy describes it: header names in lower case, repeated headers joined with commas, `path` with its query.

    `model` is the `model` of the JSON body. `route` is NAMESPACE/NAME of the HTTPRoute that matched, empty where none did;
    `gateway` that of the Gateway that the request came through. `request_id` is the caller's X-Request-ID, for the log alone.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    model: str = ""
    route: str = ""
    gateway: str = ""
    request_id: str = ""

    @property
    def bare_path(self) -> str:
        """The path without query and fragment."""
        return self.path.partition("?")[0].partition("#")[0]

    @property
    def segments(self) -> list[str]:
        """The path's segments."""
        return self.bare_path.strip("/").split("/")

    def purpose(self) -> Purpose:
        """Model identity is the first two path segments unless the first is `v1` or `maas-api`, then the body's model.

        A namespace that is called `v1` or `maas-api` is still a namespace: the matched route's own namespace decides.
        """
        first = self.segments[0]
        if self._in_route_namespace():
            return Purpose.INFERENCE
        if self.segments[:2] == ["maas-api", "internal"]:
            return Purpose.INTERNAL
        if first == "maas-api" or (first == "v1" and not self.model) or len(self.segments) < 2:
            return Purpose.MANAGEMENT
        return Purpose.INFERENCE

    def requested_model(self) -> str:
        """What to ask the subscription selector for: `namespace/name`, or an alias `publishers/NAMESPACE/models/NAME`."""
        segments = self.segments
        if segments[0] == "publishers" and len(segments) >= 4:
            end = segments.index("v1", 4) if "v1" in segments[4:] else len(segments)
            return "/".join(segments[:end])
        if segments[0] in MANAGEMENT_SEGMENTS and not self._in_route_namespace():
            return self.model
        return "/".join(segments[:2])

    def _in_route_namespace(self) -> bool:
        return (
            len(self.segments) >= 2
            and self.segments[0] in MANAGEMENT_SEGMENTS
            and self.segments[0] == self.route.partition("/")[0]
        )
