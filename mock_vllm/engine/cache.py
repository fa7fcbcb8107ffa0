"""The KV cache: a fixed number of blocks, shared by prefix, freed in least-recently-used order.

A block is `block_size` consecutive prompt tokens together with everything before them; its identity is a 64-bit hash of both. A sequence
holds the blocks of its prompt and of the answer it will have. Blocks of ended sequences stay findable until their room is needed.
"""

import zlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Protocol

MASK: Final = (1 << 63) - 1


class CacheListener(Protocol):
    """Hears of every change: what vLLM publishes as BlockStored, BlockRemoved and AllBlocksCleared."""

    def stored(self, hashes: list[int], parent: int | None, tokens: Sequence[int], block_size: int) -> None:
        """New full blocks behind `parent`; `tokens` are the ids of all of them."""

    def removed(self, hashes: list[int]) -> None:
        """Blocks whose room was needed."""

    def cleared(self) -> None:
        """Everything is forgotten."""


class Lease:
    """What one running sequence holds: full prompt blocks by hash, and a number of blocks that nobody shares."""

    __slots__ = ("hashes", "private")

    def __init__(self, hashes: list[int], private: int) -> None:
        self.hashes = hashes
        self.private = private


class KvCache:
    """Blocks in use and blocks that could be used again."""

    def __init__(self, blocks: int, block_size: int, *, prefix_caching: bool = True) -> None:
        self.blocks = blocks
        self.block_size = block_size
        self.prefix_caching = prefix_caching
        self.listeners: list[CacheListener] = []
        self.queries = 0
        self.hits = 0
        self._used: dict[int, int] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()
        self._private = 0

    @property
    def usage(self) -> float:
        """Share of blocks held by running sequences, 0 to 1."""
        return (len(self._used) + self._private) / self.blocks

    def hashes(self, pieces: Sequence[str], salt: str = "") -> list[int]:
        """The hashes of the full blocks of a prompt."""
        if not self.prefix_caching:
            return []
        size, found, before = self.block_size, [], zlib.crc32(salt.encode())
        for start in range(0, len(pieces) - size + 1, size):
            text = "\0".join(pieces[start : start + size]).encode("utf-8", "surrogatepass")
            before = (
                (before * 0x9E3779B97F4A7C15)
                ^ (zlib.crc32(text, before & 0xFFFFFFFF) * 0x100000001B3 + zlib.adler32(text))
            ) & MASK
            found.append(before)
        return found

    def take(self, hashes: list[int], tokens: int, ids: Sequence[int] = ()) -> tuple[Lease, int] | None:
        """Hold room for `tokens` tokens whose prompt begins with the blocks `hashes`.

        Returns the lease and the number of prompt tokens that were cached, or None when there is no room now.
        """
        total = -(-tokens // self.block_size)
        known = 0
        while known < len(hashes) and (hashes[known] in self._used or hashes[known] in self._idle):
            known += 1
        reused_idle = sum(1 for number in hashes[:known] if number in self._idle)
        needed = total - known
        free = self.blocks - len(self._used) - self._private - reused_idle
        if needed > free:
            return None
        self.queries += len(hashes) * self.block_size
        self.hits += known * self.block_size
        for number in hashes:
            self._idle.pop(number, None)
            self._used[number] = self._used.get(number, 0) + 1
        private = total - len(hashes)
        self._private += private
        self._evict()
        if known < len(hashes):
            begin = known * self.block_size
            parent = hashes[known - 1] if known else None
            tokens_of = ids[begin : len(hashes) * self.block_size]
            for listener in self.listeners:
                listener.stored(hashes[known:], parent, tokens_of, self.block_size)
        return Lease(hashes, private), known * self.block_size

    def release(self, lease: Lease) -> None:
        """Give the room of an ended sequence back; its prompt stays findable until the room is needed."""
        self._private -= lease.private
        for number in reversed(lease.hashes):
            left = self._used[number] - 1
            if left:
                self._used[number] = left
            else:
                del self._used[number]
                self._idle[number] = None

    def clear(self) -> None:
        """Forget everything that nobody uses."""
        self._idle.clear()
        for listener in self.listeners:
            listener.cleared()

    def _evict(self) -> None:
        over = len(self._used) + self._private + len(self._idle) - self.blocks
        gone = [self._idle.popitem(last=False)[0] for _ in range(over)] if over > 0 else []
        if gone:
            for listener in self.listeners:
                listener.removed(gone)
