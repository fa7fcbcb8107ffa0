"""Makes `protobuf_fields.json`, the field numbers of built-in kinds.

`python -m harness.simulator.kubeapi.protobuf_table API META EXTENSIONS`, where the arguments are the folders of the Go modules k8s.io/api,
k8s.io/apimachinery and k8s.io/apiextensions-apiserver. Field numbers and types come from `generated.proto`; whether
a field is a pointer (its zero counts) or embedded (its fields belong to the outer object) from `types.go`.
"""

import re
import sys
from pathlib import Path

import orjson

TABLE = Path(__file__).with_name("protobuf_fields.json")
_MESSAGE = re.compile(r"^message (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\s*(optional|repeated|required)?\s*(map<string, ([\w.]+)>|[\w.]+) (\w+) = (\d+);", re.MULTILINE)
_PACKAGE = re.compile(r"^package ([\w.]+);", re.MULTILINE)
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_TAGGED = re.compile(
    r"^\s*(?:(\w+)\s+)?(\*?)[\w.\[\]*]+\s+`json:\"([^\"]*)\"[^`]*protobuf:\"[a-z0-9]+,(\d+),", re.MULTILINE
)
_SCALARS = {
    "string": "s",
    "bool": "b",
    "int32": "i",
    "int64": "i",
    "uint32": "i",
    "uint64": "i",
    "double": "d",
    "bytes": "y",
}


def _kind(name: str, package: str) -> str:
    if name in _SCALARS:
        return _SCALARS[name]
    return name.removeprefix(".") if "." in name else f"{package}.{name}"


def _go_facts(folder: Path) -> dict[tuple[str, int], tuple[str, str]]:
    facts: dict[tuple[str, int], tuple[str, str]] = {}
    for path in folder.glob("*.go"):
        for name, body in _STRUCT.findall(path.read_text(encoding="utf-8")):
            for _, star, json_tag, number in _TAGGED.findall(body):
                marks = ("!" if json_tag.endswith(",inline") else "") + ("?" if star else "")
                facts[(name, int(number))] = (json_tag.partition(",")[0].strip("-"), marks)
    return facts


def read_package(proto: Path) -> dict[str, dict[str, list[str]]]:
    """Messages of one `generated.proto`: full name to field number to `[json name, type]`.

    A type is a scalar code or a message name, behind marks: `*` repeated, `%` map of text, `?` pointer, `!` embedded.
    """
    text = re.sub(r"//.*", "", proto.read_text(encoding="utf-8"))
    found = _PACKAGE.search(text)
    if found is None:
        return {}
    package = found[1]
    facts = _go_facts(proto.parent)
    messages = {}
    for message, body in _MESSAGE.findall(text):
        fields = {}
        for label, kind, mapped, name, number in _FIELD.findall(body):
            mark = "%" if mapped else "*" if label == "repeated" else ""
            spelled, marks = facts.get((message, int(number)), ("", ""))
            fields[number] = [spelled or name, mark + (marks if not mark else "") + _kind(mapped or kind, package)]
        messages[f"{package}.{message}"] = fields
    return messages


def main(folders: list[str]) -> int:
    """Write the table; returns the exit code."""
    messages: dict[str, dict[str, list[str]]] = {}
    for folder in folders:
        for proto in sorted(Path(folder).rglob("generated.proto")):
            if re.search(r"/v\d+/|/resource/|/intstr/|/runtime/", str(proto)):
                messages.update(read_package(proto))
    TABLE.write_bytes(orjson.dumps(messages, option=orjson.OPT_SORT_KEYS))
    sys.stdout.write(f"{len(messages)} messages, {TABLE.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
