"""JSON patch (RFC 6902), JSON merge patch (RFC 7386) and the strategic merge patch of built-in kinds."""

from typing import Any

import jsonpatch
import jsonpointer

from harness.simulator.kubeapi.status import ApiError, bad_request
from harness.simulator.kubeapi.structural import Schema

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_YAML = "application/apply-patch+yaml"
APPLY_CBOR = "application/apply-patch+cbor"


def json_patch(value: dict[str, Any], patch: Any) -> dict[str, Any]:
    """Apply RFC 6902 operations. A failed test or a missing path is 422, a malformed patch 400, as in a cluster."""
    if not isinstance(patch, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        result = jsonpatch.JsonPatch(patch).apply(value)
    except jsonpatch.JsonPatchTestFailed as error:
        raise _refused() from error
    except (jsonpatch.JsonPatchConflict, jsonpointer.JsonPointerException) as error:
        raise _refused() from error
    except (jsonpatch.InvalidJsonPatch, TypeError, KeyError, AttributeError) as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if not isinstance(result, dict):
        raise _refused()
    return result


def _refused() -> ApiError:
    """A cluster says no more than this about operations that do not fit the object."""
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def merge_patch(value: Any, patch: Any) -> Any:
    """RFC 7386: objects merge, null deletes, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for name, each in patch.items():
        if each is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), each)
    return result


_DIRECTIVES = ("$setElementOrder/", "$deleteFromPrimitiveList/", "$retainKeys", "$patch")


def strategic_patch(value: Any, patch: dict[str, Any], schema: Schema | None) -> Any:
    """Merge by the patch strategies and merge keys of the schema; knows `$patch`, `$retainKeys`, `$setElementOrder` and
    `$deleteFromPrimitiveList`."""
    directive = patch.get("$patch")
    if directive == "replace":
        return {k: v for k, v in patch.items() if k != "$patch"}
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        raise bad_request(f"unknown patch type: {directive}")
    result = dict(value) if isinstance(value, dict) else {}
    if "$retainKeys" in patch:
        keep = _items_of(patch, "$retainKeys")
        result = {k: v for k, v in result.items() if k in keep}
    for name, each in patch.items():
        if name.startswith(_DIRECTIVES):
            continue
        child = schema.child(name) if schema else None
        _merge_field(result, name, each, child)
    _primitive_deletions(result, patch)
    _order(result, patch, schema)
    return result


def _items_of(patch: dict[str, Any], directive: str) -> list[Any]:
    items = patch[directive]
    if not isinstance(items, list):
        raise bad_request(f"{directive} of a strategic merge patch must be a list")
    return items


def _merge_field(result: dict[str, Any], name: str, each: Any, child: Schema | None) -> None:
    if each is None:
        result.pop(name, None)
    elif isinstance(each, dict):
        if child is not None and "replace" in child.patch_strategy.split(","):
            result[name] = each
        else:
            result[name] = strategic_patch(result.get(name), each, child)
    elif isinstance(each, list) and child is not None and "merge" in child.patch_strategy.split(","):
        result[name] = _merge_list(result.get(name), each, child)
    else:
        result[name] = each


def _merge_list(current: Any, patch: list[Any], schema: Schema) -> list[Any]:
    items = list(current) if isinstance(current, list) else []
    key = schema.patch_merge_key
    if not key:
        return items + [each for each in patch if each not in items]
    if any(isinstance(each, dict) and each.get("$patch") == "replace" for each in patch):
        return [each for each in patch if not (isinstance(each, dict) and "$patch" in each)]
    for each in patch:
        if not isinstance(each, dict) or key not in each:
            raise bad_request(f"map: {each} does not contain declared merge key: {key}")
        place = next((i for i, item in enumerate(items) if isinstance(item, dict) and item.get(key) == each[key]), None)
        if each.get("$patch") == "delete":
            items = [item for item in items if not (isinstance(item, dict) and item.get(key) == each[key])]
        elif place is None:
            items.append(strategic_patch({}, each, schema.items))
        else:
            items[place] = strategic_patch(items[place], each, schema.items)
    return items


def _primitive_deletions(result: dict[str, Any], patch: dict[str, Any]) -> None:
    for name in patch:
        if name.startswith("$deleteFromPrimitiveList/"):
            field = name.partition("/")[2]
            present = result.get(field)
            if isinstance(present, list):
                gone = _items_of(patch, name)
                result[field] = [item for item in present if item not in gone]


def _order(result: dict[str, Any], patch: dict[str, Any], schema: Schema | None) -> None:
    for name, wanted in patch.items():
        if not name.startswith("$setElementOrder/"):
            continue
        field = name.partition("/")[2]
        items = result.get(field)
        child = schema.child(field) if schema else None
        if not isinstance(items, list) or not isinstance(wanted, list):
            continue
        key = child.patch_merge_key if child else ""
        ranks = [each.get(key) if isinstance(each, dict) else each for each in wanted]

        def rank(item: Any, key: str = key, ranks: list[Any] = ranks) -> int:
            mark = item.get(key) if isinstance(item, dict) else item
            return ranks.index(mark) if mark in ranks else len(ranks)

        result[field] = sorted(items, key=rank)
