"""Responses that are generated in the background, and who follows their events.

The generation writes to a `Detached` exchange, which has no connection: what it writes is held by a `Job`, so that a client can go away,
come back, read from any event on, or cancel.
"""

from collections.abc import Callable
from typing import Any, Final

from mock_vllm.journal import Entry
from mock_vllm.openai.stream import Stream
from mock_vllm.wire.exchange import Exchange

MARK: Final = b"\n\n"
DELTA: Final = b".delta\ndata: "
USAGE: Final = b"event: response.completed\n"  # the one event that holds usage


class Job:
    """A response under way. `events[i]` is the event of sequence number i; `tokens[i]` how many tokens are out with it.

    The journal gets `entry` when the generation and, where the request streams, its reply have ended.
    """

    def __init__(self, entry: Entry, journal: Callable[[Entry], None], *, followed: bool) -> None:
        self.entry = entry
        self.events: list[bytes] = []
        self.tokens: list[int] = []
        self.done = False
        self.ending: str | None = None
        self.reply: Stream | None = None
        self.followers: list[Follower] = []
        self._delivered = (0, False, False)
        self._journal = journal
        self._streams = followed
        self._open = 1 + followed

    @property
    def status(self) -> str | None:
        """`queued`, `in_progress` once the engine has begun, `cancelled` or `failed`; None when the generation has ended by itself."""
        if self.done:
            return self.ending
        running = self.reply is not None and any(one.running or one.released for one in self.reply.sequences)
        return "in_progress" if running else "queued"

    def add(self, data: bytes) -> None:
        """Take events that the generation writes."""
        assert self.reply is not None
        made = [event + MARK for event in data.split(MARK) if event]
        count, out = self.tokens[-1] if self.tokens else 0, sum(self.reply.sent)
        for event in made:
            count = min(count + (DELTA in event), out)
            self.tokens.append(count)
        if made:
            self.tokens[-1] = out  # a token without text has no event of its own
        self.events += made
        self._tell()

    def finish(self) -> None:
        """The generation has ended."""
        if self.done:
            return
        self.done = True
        self._tell()
        self.followers.clear()
        self._release()

    def stop(self, ending: str) -> None:
        """Stop the generation, which is then `cancelled` or `failed`."""
        assert self.reply is not None
        self.ending = ending
        self.reply.abort()
        self.finish()

    def delivered(self, tokens: int, usage: bool, left: bool) -> None:
        """The reply of the request itself has ended, or its client has left."""
        self._delivered = (tokens, usage, left)
        self._release()

    def _release(self) -> None:
        self._open -= 1
        if self._open:
            return
        entry = self.entry
        entry.status, entry.stream = 200, self._streams
        entry.delivered_tokens, entry.usage_delivered, left = self._delivered
        entry.aborted = left or self.ending is not None
        self._journal(entry)

    def _tell(self) -> None:
        for follower in tuple(self.followers):
            follower.go_on()


class Detached(Exchange):
    """An exchange without a connection: the events of its reply go to a job."""

    def __init__(self, job: Job, origin: Exchange) -> None:
        super().__init__(None, origin.method, b"", origin.path, origin.headers, b"")  # type: ignore[arg-type]  # no connection is what it stands for
        self.job = job
        self.state, self.fault, self.route = origin.state, origin.fault, origin.route

    @property
    def closed(self) -> bool:
        """Whether the reply is complete."""
        return self.job.done

    @property
    def writable(self) -> bool:
        """Always: a job holds everything."""
        return True

    def start(self, data: bytes = b"", *, end: bool = False, **_: Any) -> None:
        """See `Exchange`."""
        self.started = True
        self.job.add(data)
        if end:
            self.job.finish()

    def write(self, data: bytes) -> None:
        """See `Exchange`."""
        self.job.add(data)

    def finish(self, data: bytes = b"") -> None:
        """See `Exchange`."""
        self.job.add(data)
        self.job.finish()

    def drop(self, *, reset: bool = False) -> None:
        """A fault ends the reply: nothing more will come."""
        del reset
        self.job.stop("failed")


class Follower:
    """Sends a job's events from number `place` on to a client, at the client's pace.

    `told` learns at the end how many tokens were delivered, whether usage was, and whether the client left before.
    """

    def __init__(self, job: Job, exchange: Exchange, place: int, told: Callable[[int, bool, bool], None]) -> None:
        self.job = job
        self.exchange = exchange
        self.place = self.begin = place
        self._told = told
        exchange.on_close = self._left
        exchange.on_resume = self.go_on
        if not job.done:
            job.followers.append(self)
        exchange.start()
        self.go_on()

    def go_on(self) -> None:
        """Write what is there, unless the client has still to read what it got."""
        exchange, job = self.exchange, self.job
        if exchange.closed or not exchange.writable:
            return
        data = b"".join(job.events[self.place :])
        self.place = max(self.place, len(job.events))
        if job.done:
            self._tell(left=False)
            exchange.finish(data)
        else:
            exchange.write(data)

    def _tell(self, *, left: bool) -> None:
        events, tokens = self.job.events, self.job.tokens
        sent = tokens[self.begin : self.place]
        before = tokens[self.begin - 1] if 0 < self.begin <= len(tokens) else 0
        usage = bool(sent) and events[self.begin + len(sent) - 1].startswith(USAGE)
        self._told(sent[-1] - before if sent else 0, usage, left)

    def _left(self) -> None:
        """The client has gone away; the generation goes on."""
        if self in self.job.followers:
            self.job.followers.remove(self)
        self._tell(left=True)
