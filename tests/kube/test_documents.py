from pathlib import Path

import pytest

from harness.kube.apply import apply_documents
from harness.kube.cluster import Cluster
from harness.kube.documents import read_documents
from harness.kube.labels import RUN, run_labels
from harness.outcome import UsageFault


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def test_folders_are_read_in_the_order_of_names_and_documents_counted_from_one(manifests: Path) -> None:
    write(manifests, "b.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: three}\n")
    write(
        manifests,
        "a.yaml",
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: one}\n---\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: two}\n",
    )
    found = read_documents([manifests])
    assert [(document.path.name, document.index, document.ref.name) for document in found] == [
        ("a.yaml", 1, "one"),
        ("a.yaml", 3, "two"),
        ("b.yaml", 1, "three"),
    ]


def test_a_list_is_its_items(manifests: Path) -> None:
    path = write(
        manifests,
        "l.yaml",
        "kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: one}}\n",
    )
    assert [document.ref.name for document in read_documents([path])] == ["one"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n---\nkind: Secret\n",
            "document 2: the field apiVersion is required",
        ),
        ("apiVersion: v1\nkind: Secret\nmetadata: {}\n", "document 1: the field metadata.name is required"),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: 7}\n",
            "the field metadata.namespace must be text, found 7",
        ),
        ("- 1\n", "document 1: expected a Kubernetes object .a mapping., found list"),
        ("a: [\n", "is not YAML at line 2, column 1"),
    ],
)
def test_a_broken_manifest_names_file_document_and_field(manifests: Path, text: str, sentence: str) -> None:
    path = write(manifests, "broken.yaml", text)
    with pytest.raises(UsageFault, match=sentence) as fault:
        read_documents([path])
    assert str(path) in str(fault.value)
    assert "\n" not in str(fault.value)


def test_bytes_that_are_no_text_are_one_sentence(manifests: Path) -> None:
    write(manifests, "x.yaml", "")
    (manifests / "x.yaml").write_bytes(b"kind: \xff\xfe\n")
    with pytest.raises(UsageFault, match=r"x.yaml is not UTF-8 text: byte 6 is 0xff"):
        read_documents([manifests])


def test_a_missing_world_and_an_empty_folder_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="there is no file or folder"):
        read_documents([tmp_path / "none"])
    with pytest.raises(UsageFault, match="holds no manifest"):
        read_documents([tmp_path])


def test_what_the_server_refuses_names_file_document_and_field(
    cluster: Cluster, namespace: str, manifests: Path
) -> None:
    path = write(
        manifests,
        "world.yaml",
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: fine, namespace: {namespace}}}\n---\n"
        "apiVersion: maas.opendatahub.io/v1alpha1\nkind: MaaSModelRef\n"
        f"metadata: {{name: m, namespace: {namespace}}}\nspec: {{modelRef: {{kind: Unicorn, name: m}}}}\n",
    )
    with pytest.raises(UsageFault) as fault:
        apply_documents(cluster, read_documents([path]))
    assert f"{path}, document 2: the server refuses MaaSModelRef {namespace}/m (fields spec.modelRef.kind)" in str(
        fault.value
    )


def test_namespaces_go_first_whatever_the_order_of_files_and_results_keep_it(cluster: Cluster, manifests: Path) -> None:
    write(manifests, "1.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: early, namespace: waves-test}\n")
    write(manifests, "2.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: waves-test}\n")
    stored = apply_documents(cluster, read_documents([manifests]), run_labels("r-1"))
    assert [entry["kind"] for entry in stored] == ["ConfigMap", "Namespace"]
    assert stored[0]["metadata"]["labels"][RUN] == "r-1"
