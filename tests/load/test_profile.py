from pathlib import Path

import pytest
import yaml

from harness.load.profile import read_profile
from harness.load.profiles import known_profiles, profile_path
from harness.outcome import UsageFault

GOOD = {
    "name": "tiny",
    "rate": 10,
    "users": 2,
    "duration_s": 1,
    "mix": [{"kind": "chat"}],
    "objectives": {"p95_latency_ms": 100, "p95_ttft_ms": 100},
}


def written(folder: Path, document: object) -> Path:
    path = folder / "profile.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize("name", sorted(known_profiles()))
def test_every_profile_that_comes_with_the_harness_is_valid_and_named_as_its_file(name):
    assert read_profile(profile_path(name)).name == name


def test_a_change_reaches_into_the_profile(tmp_path):
    profile = read_profile(written(tmp_path, GOOD), {"rate": "25", "objectives.p95_ttft_ms": "7.5"})
    assert (profile.rate, profile.objectives.p95_ttft_ms) == (25, 7.5)


def test_scaling_multiplies_the_rate_alone(tmp_path):
    profile = read_profile(written(tmp_path, GOOD))
    assert profile.scaled(10).model_dump() == {**profile.model_dump(), "rate": 100}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rate": 0}, ["rate", "greater than 0"]),
        ({"rate": "fast"}, ["rate", "number"]),
        ({"speed": 1}, ["speed", "not permitted"]),
        ({"mix": []}, ["mix", "at least 1"]),
        ({"mix": [{"kind": "embeddings"}]}, ["mix.0.kind", "embeddings"]),
        ({"objectives": {"p95_latency_ms": 100}}, ["objectives.p95_ttft_ms", "required"]),
        ({"identities": 3}, ["3 identities", "2"]),
    ],
)
def test_a_wrong_profile_is_refused_in_one_sentence_that_names_the_field(tmp_path, change, words):
    path = written(tmp_path, GOOD | change)
    with pytest.raises(UsageFault) as refused:
        read_profile(path)
    text = str(refused.value)
    assert all(word in text for word in [str(path), *words])
    assert "\n" not in text


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [("rate.x", "1", "rate holds no fields"), ("rate", "[", "no YAML value"), ("nothing", "1", "nothing")],
)
def test_a_wrong_change_is_refused(tmp_path, name, text, words):
    with pytest.raises(UsageFault, match=words):
        read_profile(written(tmp_path, GOOD), {name: text})


def test_a_missing_file_and_a_list_are_refused(tmp_path):
    with pytest.raises(UsageFault, match="cannot read"):
        read_profile(tmp_path / "none.yaml")
    with pytest.raises(UsageFault, match="expected a mapping"):
        read_profile(written(tmp_path, [1]))


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(UsageFault, match=r"no load profile is called 'warp'; there are: .*throughput"):
        profile_path("warp")
