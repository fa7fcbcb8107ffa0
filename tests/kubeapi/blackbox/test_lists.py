"""Lists: order, selectors, pages at one version, and what a version in a query means."""

import pytest

from tests.kubeapi.blackbox.api import names


@pytest.fixture
def fleet(widgets, widget):
    """Five widgets a..e: even ones red and labelled, odd ones blue."""
    for number, name in enumerate("abcde"):
        body = widget(name, color="blue" if number % 2 else "red", size=number)
        body["metadata"]["labels"] = {"number": str(number), **({"even": "yes"} if number % 2 == 0 else {})}
        widgets.create(body).raise_for_status()
    return widgets


def test_list_has_kind_version_and_items(fleet):
    body = fleet.all().json()
    assert (body["kind"], body["apiVersion"]) == ("WidgetList", "blackbox.example.com/v1")
    assert body["metadata"]["resourceVersion"].isdigit()
    assert body["items"][0]["kind"] == "Widget"


def test_list_is_ordered_by_name(fleet):
    assert names(fleet.all()) == ["a", "b", "c", "d", "e"]


def test_empty_list_is_a_list(widgets):
    assert widgets.all().json()["items"] == []


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("even=yes", "ace"),
        ("even==yes", "ace"),
        ("even!=yes", "bd"),
        ("even", "ace"),
        ("!even", "bd"),
        ("number in (1,3)", "bd"),
        ("number notin (1,3)", "ace"),
        ("even,number in (0, 4)", "ae"),
        ("ghost=1", ""),
        ("number>2", "de"),
        ("number<1", "a"),
    ],
)
def test_label_selectors(fleet, selector, found):
    assert names(fleet.all(labelSelector=selector)) == list(found)


@pytest.mark.parametrize("selector", ["a=b=c", "in (a)", "a in b", "=a", "a in (b"])
def test_bad_label_selectors_are_400(fleet, selector):
    answer = fleet.all(labelSelector=selector)
    assert answer.status_code == 400
    assert answer.json()["reason"] == "BadRequest"


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("metadata.name=c", "c"),
        ("metadata.name!=c", "abde"),
        ("spec.color=blue", "bd"),
        ("spec.color!=blue,metadata.name!=a", "ce"),
    ],
)
def test_field_selectors(fleet, selector, found):
    assert names(fleet.all(fieldSelector=selector)) == list(found)


def test_field_selector_by_namespace(fleet, namespace):
    assert names(fleet.all(fieldSelector=f"metadata.namespace={namespace}")) == list("abcde")


def test_fields_that_cannot_be_selected_are_400(fleet):
    answer = fleet.all(fieldSelector="spec.size=1")
    assert answer.status_code == 400
    assert "field label not supported: spec.size" in answer.json()["message"]


def test_pages(fleet):
    first = fleet.all(limit="2")
    rest = first.json()["metadata"]
    second = fleet.all(limit="2", **{"continue": rest["continue"]})
    third = fleet.all(limit="2", **{"continue": second.json()["metadata"]["continue"]})
    assert [names(first), names(second), names(third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert rest["remainingItemCount"] == 3
    assert not third.json()["metadata"].get("continue")


def test_pages_are_of_one_version(fleet, widget):
    first = fleet.all(limit="2").json()["metadata"]
    fleet.create(widget("bb"))
    fleet.create(widget("f"))
    fleet.delete("d")
    second = fleet.all(limit="10", **{"continue": first["continue"]})
    assert names(second) == ["c", "d", "e"]
    assert second.json()["metadata"]["resourceVersion"] == first["resourceVersion"]


def test_page_that_holds_everything_has_no_continue(fleet):
    assert not fleet.all(limit="5").json()["metadata"].get("continue")


def test_selector_and_pages_together(fleet):
    first = fleet.all(limit="2", labelSelector="even")
    second = fleet.all(limit="2", labelSelector="even", **{"continue": first.json()["metadata"]["continue"]})
    assert [names(first), names(second)] == [["a", "c"], ["e"]]


def test_bad_continue_is_400(fleet):
    answer = fleet.all(**{"continue": "nonsense"})
    assert answer.status_code == 400
    assert "continue key is not valid" in answer.json()["message"]


def test_bad_limit_is_400(fleet):
    assert fleet.all(limit="many").status_code == 400


def test_bad_resource_version_is_400(fleet):
    answer = fleet.all(resourceVersion="soon")
    assert answer.status_code == 400
    assert "invalid resource version" in answer.json()["message"]


def test_resource_version_zero_is_any_version(fleet):
    assert names(fleet.all(resourceVersion="0")) == list("abcde")


def test_exact_resource_version_is_the_past(fleet, widget):
    then = fleet.all().json()["metadata"]["resourceVersion"]
    fleet.create(widget("f"))
    past = fleet.all(resourceVersion=then, resourceVersionMatch="Exact")
    assert names(past) == list("abcde")


def test_resource_version_from_the_future_is_refused(fleet):
    now = int(fleet.all().json()["metadata"]["resourceVersion"])
    answer = fleet.all(resourceVersion=str(now + 1_000_000), resourceVersionMatch="NotOlderThan")
    assert answer.status_code == 504
    assert answer.json()["message"].startswith("Timeout: Too large resource version")


def test_resource_version_match_alone_is_422(fleet):
    assert fleet.all(resourceVersionMatch="Exact").status_code == 422


def test_list_of_all_namespaces_holds_this_one(fleet, server, namespace):
    body = server.get("/apis/blackbox.example.com/v1/widgets").json()
    assert {item["metadata"]["name"] for item in body["items"] if item["metadata"]["namespace"] == namespace} == set(
        "abcde"
    )


def test_partial_metadata_lists_hold_no_spec(fleet):
    body = fleet.all(accept="application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io").json()
    assert body["kind"] == "PartialObjectMetadataList"
    assert {key for item in body["items"] for key in item} == {"apiVersion", "kind", "metadata"}


def test_delete_collection_by_selector(fleet):
    assert fleet.delete_all(labelSelector="even").status_code == 200
    assert names(fleet.all()) == ["b", "d"]


def test_delete_collection(fleet):
    fleet.delete_all()
    assert names(fleet.all()) == []
