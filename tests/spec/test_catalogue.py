"""The catalogue as data: strict, complete, quick."""

import re
from collections.abc import Callable

import pytest
import yaml

from harness.outcome import HarnessFault, UsageFault
from harness.platforms.embedded.quirks import QUIRKS
from harness.spec import catalogue as module
from harness.spec.catalogue import SOURCES, catalogue, parse_area
from harness.spec.coverage import coverage_of, unknown_requirements
from harness.spec.profile import Profile, profile_named, profiles

GOOD = {"id": "MAAS-RATE-001", "level": "must", "scope": "neutral", "requirement": "limits bite", "evidence": ["code"]}


def _area(**changes: object) -> bytes:
    row = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return yaml.safe_dump({"area": "rates", "requirements": [row]}).encode()


def test_every_row_of_every_area_is_there() -> None:
    rows = catalogue()
    assert len(rows) == 462
    assert len(rows.areas) == len(list(SOURCES.glob("*.yaml"))) == 19
    assert rows.get("MAAS-RATE-001").level == "must"


def test_an_area_lives_in_the_file_of_its_name() -> None:
    for path in SOURCES.glob("*.yaml"):
        assert {row.area for row in parse_area(path.name, path.read_bytes())} == {path.stem}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"level": "shall"}, "MAAS-RATE-001: level"),
        ({"id": "RATE-1"}, "RATE-1: id"),
        ({"colour": "red"}, "MAAS-RATE-001: colour"),
        ({"requirement": None}, "MAAS-RATE-001: requirement"),
        ({"then": 429}, "MAAS-RATE-001: then"),
        ({"evidence": ["hearsay"]}, "MAAS-RATE-001: evidence.0"),
        ({"scope": "everybody"}, "MAAS-RATE-001: scope"),
    ],
)
def test_a_malformed_row_is_refused_by_file_id_and_field(changes: dict[str, object], words: str) -> None:
    with pytest.raises(HarnessFault, match=f"catalogue file x.yaml: {words}"):
        parse_area("x.yaml", _area(**changes))


@pytest.mark.parametrize("content", [b"[]", b"area: x", b"area: x\nrequirements: []\nmore: 1", b"{"])
def test_a_file_of_another_shape_is_refused(content: bytes) -> None:
    with pytest.raises(HarnessFault, match=r"x\.yaml"):
        parse_area("x.yaml", content)


def test_an_id_twice_is_refused() -> None:
    rows = parse_area("x.yaml", _area())
    with pytest.raises(HarnessFault, match="MAAS-RATE-001 twice"):
        module._by_id(rows + rows)


def test_an_unknown_id_names_its_neighbours() -> None:
    with pytest.raises(UsageFault, match="no requirement MAAS-RATE-999 in the catalogue; did you mean MAAS-RATE-0"):
        catalogue().get("MAAS-RATE-999")


def test_the_compiled_form_is_the_same_and_a_torn_one_is_ignored(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "user_cache_path", lambda _: tmp_path / "cache")
    load: Callable[[], module.Catalogue] = catalogue.__wrapped__
    first = load()
    (compiled,) = (tmp_path / "cache").iterdir()
    assert load().rows == first.rows
    compiled.write_bytes(b'[{"id": "MAAS')
    assert load().rows == first.rows


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    monkeypatch.setattr(module, "user_cache_path", lambda _: blocked)
    assert len(catalogue.__wrapped__()) == 462


def test_profiles_select_by_level_scope_and_needs() -> None:
    rows = catalogue()
    core = set(profile_named("core").requirements(rows))
    extended = set(profile_named("extended").requirements(rows))
    assert core < extended
    assert {row.level for row in core} == {"must"}
    assert {row.scope for row in extended} == {"neutral", "api"}
    assert set(profile_named("certified").requirements(rows)) == core
    assert profile_named("certified").strict
    assert {row.scope for row in profile_named("kuadrant").requirements(rows)} == {"stack"}
    endpoint = profile_named("endpoint")
    neutral = [rows.get("MAAS-RATE-001")]
    assert endpoint.selects(neutral, frozenset())
    assert not endpoint.selects(neutral, frozenset({"kube"}))


def test_an_unknown_profile_names_those_that_exist() -> None:
    with pytest.raises(UsageFault, match=f"there are {', '.join(profiles())}"):
        profile_named("gold")


def test_every_profile_says_what_it_is_for() -> None:
    assert set(profiles()) == {"full", "smoke", "core", "extended", "endpoint", "kuadrant", "certified"}
    assert all(isinstance(profile, Profile) and len(profile.description) > 10 for profile in profiles().values())


def test_coverage_gives_reasons_for_what_it_lacks() -> None:
    rows = catalogue()
    wanted = [rows.get(name) for name in ("MAAS-RATE-001", "MAAS-RATE-005", "MAAS-TOK-005")]
    coverage = coverage_of(wanted, {"a": ("MAAS-RATE-001",), "b": ("MAAS-RATE-001", "MAAS-LIST-001")})
    assert coverage.checks == {"MAAS-RATE-001": ("a", "b")}
    assert (coverage.covered, coverage.total) == (1, 3)
    assert [(entry.requirement.id, entry.reason) for entry in coverage.uncovered] == [
        ("MAAS-RATE-005", "no check has been written yet"),
        ("MAAS-TOK-005", "judges nobody: only recorded where a check meets it"),
    ]


def test_unknown_requirements_are_named_once() -> None:
    assert unknown_requirements(catalogue(), ["MAAS-RATE-001", "X", "X", "A"]) == ("A", "X")


def test_a_row_that_cannot_be_observed_says_why_instead_of_promising_a_check() -> None:
    rows = catalogue()
    (entry,) = coverage_of([rows.get("MAAS-KEY-004")], {}).uncovered
    assert entry.reason == "the key database is not part of the platform's interface"


def test_no_row_gives_a_reason_for_having_no_check_and_has_one() -> None:
    """The reason has to go when somebody finds a way to observe the row after all."""
    from harness.cli.suite import scenarios

    named = {
        name
        for file in scenarios().rglob("test_*.py")
        for name in re.findall(r"MAAS-[A-Z]+-\d{3}", file.read_text("utf-8"))
    }
    assert [row.id for row in catalogue() if row.uncovered and row.id in named] == []


def test_what_decides_nothing_was_decided_for_the_reference_platform_with_a_reason() -> None:
    observed = [row for row in catalogue() if row.level == "observe"]
    assert not [row.id for row in observed if row.reference is None]
    manners = ("safe: ", "as upstream", "deviates: ", "not so here: ", "not here: ", "holds here: ", "charged: ")
    others = [row.id for row in observed if not str(row.reference).startswith((*manners, "between ", "an answer "))]
    assert not others


def test_the_reference_platform_names_each_quirk_where_it_deviates() -> None:
    named = {row.id for row in catalogue() if row.reference and f"quirk {row.id}" in row.reference}
    assert named == set(QUIRKS)
