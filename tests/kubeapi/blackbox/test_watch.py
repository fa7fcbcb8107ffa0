"""Watches: what happened since a version, in order, exactly once."""

import json

import pytest


def seen(events):
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


def test_watch_without_a_version_starts_with_what_is_there(widgets, widget):
    widgets.create(widget("a"))
    assert seen(widgets.watch(1)) == [("ADDED", "a")]


def test_watch_from_a_version_tells_only_what_came_later(widgets, widget):
    widgets.create(widget("a"))
    version = widgets.all().json()["metadata"]["resourceVersion"]
    widgets.create(widget("b"))
    widgets.patch("a", {"spec": {"size": 2}})
    widgets.delete("b")
    assert seen(widgets.watch(1, resourceVersion=version)) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


def test_deleted_event_carries_the_last_state_and_a_newer_version(widgets, widget):
    made = widgets.create(widget("a", size=7)).json()
    widgets.delete("a")
    event = widgets.watch(1, resourceVersion=made["metadata"]["resourceVersion"])[0]
    assert event["type"] == "DELETED"
    assert event["object"]["spec"]["size"] == 7
    assert int(event["object"]["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])


def test_watch_by_label(widgets, widget):
    version = widgets.all().json()["metadata"]["resourceVersion"]
    body = widget("a")
    body["metadata"]["labels"] = {"team": "red"}
    widgets.create(body)
    widgets.create(widget("b"))
    assert seen(widgets.watch(1, resourceVersion=version, labelSelector="team=red")) == [("ADDED", "a")]


def test_object_that_leaves_a_selector_is_deleted_for_its_watchers(widgets, widget):
    body = widget("a")
    body["metadata"]["labels"] = {"team": "red"}
    version = widgets.create(body).json()["metadata"]["resourceVersion"]
    widgets.patch("a", {"metadata": {"labels": {"team": "blue"}}})
    assert seen(widgets.watch(1, resourceVersion=version, labelSelector="team=red")) == [("DELETED", "a")]


def test_object_that_enters_a_selector_is_added_for_its_watchers(widgets, widget):
    version = widgets.create(widget("a")).json()["metadata"]["resourceVersion"]
    widgets.patch("a", {"metadata": {"labels": {"team": "red"}}})
    assert seen(widgets.watch(1, resourceVersion=version, labelSelector="team=red")) == [("ADDED", "a")]


def test_watch_by_name(widgets, widget):
    version = widgets.all().json()["metadata"]["resourceVersion"]
    widgets.create(widget("a"))
    widgets.create(widget("b"))
    assert seen(widgets.watch(1, resourceVersion=version, fieldSelector="metadata.name=b")) == [("ADDED", "b")]


def test_watch_of_one_name_in_the_old_way(widgets, widget, server):
    widgets.create(widget("a"))
    path = widgets.path.replace("/v1/", "/v1/watch/", 1)
    answer = server.get(f"{path}/a", params={"timeoutSeconds": "1"})
    assert [json.loads(line)["type"] for line in answer.text.splitlines()] == ["ADDED"]


def test_streaming_list_ends_its_initial_events_with_a_bookmark(widgets, widget):
    widgets.create(widget("a"))
    events = widgets.watch(1, sendInitialEvents="true", allowWatchBookmarks="true", resourceVersionMatch="NotOlderThan")
    assert seen(events[:1]) == [("ADDED", "a")]
    assert events[1]["type"] == "BOOKMARK"
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_watch_says_what_media_type_it_is(widgets):
    answer = widgets.open_watch(1)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["transfer-encoding"] == "chunked"


def test_watch_ends_when_its_time_is_up(widgets):
    assert widgets.watch(1) == []


@pytest.mark.parametrize("word", ["true", "1", "True"])
def test_watch_is_asked_for_in_several_spellings(widgets, widget, server, word):
    widgets.create(widget("a"))
    answer = server.get(widgets.path, params={"watch": word, "timeoutSeconds": "1"})
    assert json.loads(answer.text.splitlines()[0])["type"] == "ADDED"


def test_watch_delivers_while_it_is_open(widgets, widget, server):
    version = widgets.all().json()["metadata"]["resourceVersion"]
    with server.stream(
        "GET", widgets.path, params={"watch": "true", "resourceVersion": version, "timeoutSeconds": "20"}
    ) as answer:
        lines = answer.iter_lines()
        for name in "abc":
            widgets.create(widget(name))
            assert json.loads(next(lines))["object"]["metadata"]["name"] == name


def test_status_writes_are_seen(widgets, widget):
    version = widgets.create(widget("a")).json()["metadata"]["resourceVersion"]
    widgets.patch("a", {"status": {"phase": "Ready"}}, subresource="status")
    event = widgets.watch(1, resourceVersion=version)[0]
    assert (event["type"], event["object"]["status"]["phase"]) == ("MODIFIED", "Ready")


def test_writes_that_change_nothing_are_not_seen(widgets, widget):
    version = widgets.create(widget("a", size=2)).json()["metadata"]["resourceVersion"]
    widgets.patch("a", {"spec": {"size": 2}})
    assert widgets.watch(1, resourceVersion=version) == []
