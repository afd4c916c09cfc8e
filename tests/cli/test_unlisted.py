"""The kinds that nobody looked for, by what the input has of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from etpguard.assess import picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cli.input import files
from etpguard.cli.input.loaded import Loaded
from etpguard.objects import SERVICE
from etpguard.objects.metallb import BGP_ADVERTISEMENT, L2_ADVERTISEMENT

Json = dict[str, Any]
GROUP = "metallb.io/v1beta1"
OBJECT = {"apiVersion": GROUP, "kind": "L2Advertisement", "metadata": {"name": "a", "namespace": "metallb"}}
REASON = "the input has no L2Advertisement and does not say that it looked for them"


def loaded(tmp_path: Path, body: str) -> Loaded:
    path = tmp_path / "dump"
    path.write_text(body)
    made = Loaded(picture_for(consumer_families()), live=False, where=str(path))
    files.load(made, [str(path)])
    return made


def of(kind: str, items: list[Json] | None = None, version: Any = GROUP) -> Json:
    return {"apiVersion": version, "kind": kind, "items": items}


@pytest.mark.parametrize("text", [json.dumps, yaml.safe_dump], ids=["json", "yaml"])
@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(of("List", [], "v1"), REASON, id="an empty List says nothing"),
        pytest.param(of("List", [OBJECT], "v1"), None, id="an object"),
        pytest.param(
            of("List", [{**OBJECT, "spec": {"nodeSelectors": 7}}], "v1"), None, id="an object that cannot be read"
        ),
        pytest.param(
            of("List", [{**OBJECT, "apiVersion": "metallb.io/v9"}], "v1"),
            REASON,
            id="an object of another version",
        ),
        pytest.param(of("L2AdvertisementList", []), None, id="an empty list of the kind"),
        pytest.param(of("L2AdvertisementList"), None, id="a list of the kind whose items are null"),
        pytest.param(of("List", [of("L2AdvertisementList", [])], "v1"), None, id="an empty list within a List"),
        pytest.param(
            of("L2AdvertisementList", [], "metallb.io/v9"), REASON, id="an empty list of another version"
        ),
        pytest.param(of("L2AdvertisementList", [], {}), REASON, id="a list whose version is not a string"),
    ],
)
def test_a_kind_is_unlisted_unless_the_input_looked_for_it(
    tmp_path: Path, text: Any, document: Json, expected: str | None
) -> None:
    picture = loaded(tmp_path, text(document)).picture
    assert picture.unlisted.get(L2_ADVERTISEMENT) == expected
    assert {SERVICE, BGP_ADVERTISEMENT} <= picture.unlisted.keys()
    assert picture.unread == {}
