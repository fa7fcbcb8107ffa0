"""Routes that nobody would miss: whatever reaches them would fare the same with a later route of the same HTTPRoute.

A model's HTTPRoute has nineteen matches of which three decide; the others single out paths that the three serve alike. Envoy reads, checks
and tries each route by itself, so with a hundred models those sixteen are most of what a change costs.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from harness.simulator.gateway.plan.gatewayapi import Key, Object
from harness.simulator.gateway.plan.matching import Match

Place = tuple[bool, str]
"""Whether the path is exact, and the path; a prefix without its last slash."""
Heirs = Mapping[int, int]
"""By the identity of a route that of the one which implies it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Which requests a match could meet. `above`: where those lie that come later and could meet the same: there, or at a prefix of it.

    `model`: the one model that a request has to name, empty where it is not just one.
    """

    place: Place
    above: tuple[Place, ...]
    model: str
    is_pattern: bool


def reach(match: Match) -> Reach:
    """The reach of a match."""
    exact, path = match.path_type == "Exact", match.path.rstrip("/")
    place = (exact, match.path if exact else path)
    return Reach(place, tuple(_above(place, path)), match.model, match.path_type == "RegularExpression")


def _above(place: Place, path: str) -> Iterator[Place]:
    if place[0]:
        yield place
    while path:
        yield False, path
        path = path.rpartition("/")[0].rstrip("/")
    yield False, ""


class Candidate(Protocol):
    """What has to be known of a route."""

    @property
    def route(self) -> Key:
        """The HTTPRoute it is of."""

    @property
    def match(self) -> Match:
        """What it matches."""

    @property
    def reach(self) -> Reach:
        """Which requests that could be."""

    @property
    def rule(self) -> Object:
        """The rule it is of."""

    @property
    def is_management(self) -> bool:
        """Whether it leads to the platform's own API."""


Item = TypeVar("Item", bound=Candidate)


def heirs(ordered: Sequence[Candidate]) -> Heirs:
    """Of the routes of one HTTPRoute, those whose requests would all fare the same with the first later one that could meet any of them."""
    index = _Index(ordered)
    return {
        id(item): id(heir)
        for position, item in enumerate(ordered)
        if (heir := index.first_after(position)) is not None and implies(heir, item)
    }


def needed(ordered: Sequence[Item], known: Heirs) -> list[Item]:
    """`ordered`, routes in Gateway API's precedence, without those whose heir (`known`) is still the first that could meet their requests.

    All stay where a path is a regular expression, because it cannot be told what that meets.
    """
    if any(item.reach.is_pattern for item in ordered):
        return list(ordered)
    index = _Index(ordered)
    return [
        item
        for position, item in enumerate(ordered)
        if id(item) not in known or known[id(item)] != id(index.first_after(position))
    ]


def implies(later: Candidate, item: Candidate) -> bool:
    """Whether `later` meets every request of `item` and treats it the same."""
    return (
        later.route == item.route
        and later.is_management == item.is_management
        and covers(later, item)
        and _treatment(later.rule) == _treatment(item.rule)
        and _same_path(later, item)
    )


def covers(general: Candidate, item: Candidate) -> bool:
    """Whether every request that `item` meets is one that `general` meets."""
    wide, narrow = general.match, item.match
    return (
        wide.by_body == narrow.by_body
        and wide.method in ("", narrow.method)
        and set(wide.headers) <= set(narrow.headers)
        and set(wide.query) <= set(narrow.query)
        and general.reach.place in item.reach.above
    )


def _treatment(rule: Object) -> Object:
    """What a rule does with a request, apart from the prefix that it puts in the place of another."""
    kept: dict[str, Any] = {name: value for name, value in rule.items() if name not in ("matches", "name", "filters")}
    filters = [_without_prefix(item) for item in rule.get("filters") or ()]
    return kept | {"filters": [item for item in filters if item]}


def _without_prefix(item: Object) -> Object:
    """A filter without the prefix that it puts in the place of another; nothing where that is all it does."""
    change = item.get("urlRewrite") or {}
    if "replacePrefixMatch" not in (change.get("path") or {}):
        return item
    rest = {name: value for name, value in change.items() if name != "path"}
    return {**item, "urlRewrite": rest} if rest else {}


def _same_path(later: Candidate, item: Candidate) -> bool:
    """Whether both send a request on with the same path."""
    ours, others = _prefix(item), _prefix(later)
    if ours is None or others is None:
        return False
    (matched, put), (above, instead) = ours, others
    return put == instead + matched[len(above) :]


def _prefix(item: Candidate) -> tuple[str, str] | None:
    """The prefix that is replaced and what comes in its place, each without a last slash; None where that does not say it all."""
    exact, matched = item.reach.place
    filters = item.rule.get("filters") or ()
    if any(entry.get("requestRedirect") for entry in filters):
        return None
    wishes = [wish for entry in filters if (wish := (entry.get("urlRewrite") or {}).get("path"))]
    if not wishes:
        return matched, matched
    if exact or len(wishes) > 1 or "replacePrefixMatch" not in wishes[0]:
        return None
    return matched, str(wishes[0]["replacePrefixMatch"]).rstrip("/")


class _Index:
    """Positions of routes by place, and by place and the one model that they ask for."""

    def __init__(self, ordered: Sequence[Candidate]) -> None:
        self._ordered = ordered
        self._by_place: dict[Place, list[int]] = {}
        self._by_model: dict[tuple[Place, str], list[int]] = {}
        for position, item in enumerate(ordered):
            found = item.reach
            self._by_place.setdefault(found.place, []).append(position)
            self._by_model.setdefault((found.place, found.model), []).append(position)

    def first_after(self, position: int) -> Candidate | None:
        """The first later route that could meet a request which this one meets: any that does not ask for another model."""
        found = self._ordered[position].reach
        first = len(self._ordered)
        for where in found.above:
            if where not in self._by_place:
                continue
            for positions in self._at(where, found.model):
                at = bisect_right(positions, position)
                if at < len(positions):
                    first = min(first, positions[at])
        return self._ordered[first] if first < len(self._ordered) else None

    def _at(self, where: Place, model: str) -> tuple[list[int], ...]:
        if not model:
            return (self._by_place[where],)
        return self._by_model.get((where, model), []), self._by_model.get((where, ""), [])
