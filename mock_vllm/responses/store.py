"""The responses that are kept: the last ones of this process, with the conversations that led to them."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from mock_vllm.errors import ApiError
from mock_vllm.openai.requests import Message
from mock_vllm.responses.background import Job
from mock_vllm.responses.requests import items_to_messages

KEPT: Final = 1000
KEPT_EVENTS: Final = 32  # a background response of a whole context has megabytes of events


@dataclass(slots=True)
class Kept:
    """A response as it stands, the conversation before it and, in the background, its job."""

    made: dict[str, Any]
    messages: list[Message]
    job: Job | None = None

    def shown(self) -> dict[str, Any]:
        """The response as a client sees it now."""
        status = None if self.job is None else self.job.status
        return self.made if status is None else {**self.made, "status": status}


class Store:
    """Responses by id; the oldest give way."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def keep(self, made: dict[str, Any], messages: list[Message], job: Job | None = None) -> None:
        """Remember a response, or what has become of it."""
        known = self._kept.get(made["id"])
        if job is None and known is not None and made["background"]:
            job = known.job
        self._kept[made["id"]] = Kept(made, messages, job)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        if job is not None and not job.done:
            self._forget_events()

    def find(self, identity: str) -> Kept:
        """A response. Raises ApiError when it is not kept."""
        found = self._kept.get(identity)
        if found is None:
            raise ApiError(
                f"Response with id '{identity}' not found.", 404, kind="invalid_request_error", param="response_id"
            )
        return found

    def conversation(self, identity: str) -> list[Message]:
        """What was said up to and with a response, without instructions, which hold for one turn. Raises ApiError when it is not kept."""
        found = self.find(identity)
        said = [message for message in found.messages if message.role != "system"]
        return [*said, *items_to_messages(found.made["output"])]

    def _forget_events(self) -> None:
        finished = [one for one in self._kept.values() if one.job is not None and one.job.done]
        for one in finished[:-KEPT_EVENTS]:
            one.job = None
