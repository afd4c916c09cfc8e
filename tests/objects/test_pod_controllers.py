"""The records of the controllers of pods."""

from __future__ import annotations

import msgspec

from etpguard.objects import decode_item
from etpguard.objects.pod_controllers import DEPLOYMENT, PodController, PodTemplate


def template(**annotations: str) -> PodTemplate:
    made = {"metadata": {"annotations": annotations}}
    record = decode_item(DEPLOYMENT, {"metadata": {"name": "web"}, "spec": {"template": made}})
    assert isinstance(record, PodController)
    return record.template


def test_another_annotation_is_another_template_and_its_value_is_not_kept() -> None:
    first = template(token="s3cr3t")
    assert "s3cr3t" not in str(first)
    assert first == template(token="s3cr3t")
    assert first != template(token="other")
    assert first != template()


def test_a_template_that_was_dumped_is_the_same_template() -> None:
    first = template(token="s3cr3t")
    assert msgspec.convert(msgspec.to_builtins(first), PodTemplate) == first
