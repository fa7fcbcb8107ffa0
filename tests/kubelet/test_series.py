"""What the kubelet stand-in tells of its work."""

import json

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.kubelet.conftest import Node


def test_its_work_can_be_watched(node: Node) -> None:
    announced = json.loads(next(node.folder.parent.glob("kubelet.ready")).read_text(encoding="utf-8"))
    answer = httpx.get(announced["endpoints"]["metrics"], trust_env=False)
    names = {one.name for family in text_string_to_metric_families(answer.text) for one in family.samples}
    assert "workqueue_depth" in names
