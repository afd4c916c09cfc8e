"""What is left of a list's answer."""

from __future__ import annotations

import json

import pytest

from etpguard.intake.versions_only import without_objects

META = {"resourceVersion": "70", "continue": "token", "remainingItemCount": 24_999}


def test_the_list_at_its_version_whole_and_empty() -> None:
    body = {"kind": "NodeList", "apiVersion": "v1", "metadata": META, "items": [{"metadata": {"name": "n1"}}]}
    assert json.loads(without_objects(json.dumps(body).encode())) == {
        "kind": "NodeList",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "70"},
        "items": [],
    }


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>", id="a proxy's page"),
        pytest.param(b"\xff", id="no text"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b'{"kind": "Status", "apiVersion": "v1", "metadata": {}, "code": 500}', id="no version"),
    ],
)
def test_what_is_no_list_is_left_to_who_asked(body: bytes) -> None:
    assert without_objects(body) == body
