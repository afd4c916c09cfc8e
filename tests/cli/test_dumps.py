"""Dumps in all the shapes in which people come by them say what the plain one says."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from etpguard.cli.input.object_collector import DEEPEST
from tests.cli.program import SEED, Run, etpguard, failed

Json = dict[str, Any]
FORMS = pytest.mark.parametrize("form", ["json", "yaml"])
REFUSAL = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": 'services is forbidden: User "x"\ncannot list',
    "reason": "Forbidden",
    "code": 403,
}


def seed() -> list[Json]:
    items: list[Json] = yaml.load(SEED.read_text(), yaml.CSafeLoader)["items"]
    return items


def of(*kinds: str) -> list[Json]:
    return [item for item in seed() if item["kind"] in kinds]


def listed(items: list[Any], **more: str) -> Json:
    return {"apiVersion": "v1", "kind": "List", "items": items, **more}


NODES = listed(of("Node"))
REST = listed([item for item in seed() if item["kind"] != "Node"])


def text(document: Any, form: str) -> str:
    return json.dumps(document) if form == "json" else yaml.safe_dump(document)


def check(body: bytes | str, *more: str) -> Run:
    return etpguard("check", "-f", "-", "-o", "json", *more, stdin=body)


@pytest.fixture(scope="module")
def plain() -> Json:
    return check(SEED.read_bytes()).report


def lines(items: list[Json]) -> str:
    return "\n".join(map(json.dumps, items))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(text(listed([NODES, REST]), "json"), id="Lists within a List"),
        pytest.param(text(listed([NODES, REST]), "yaml"), id="Lists within a List in YAML"),
        pytest.param(text(listed([listed([NODES]), *REST["items"]]), "json"), id="at several levels"),
        pytest.param(
            text(listed([{"kind": "List", "items": REST["items"]}, NODES]), "json"), id="without a version"
        ),
        pytest.param(
            text(
                listed(
                    [
                        {
                            "kind": "NodeList",
                            "apiVersion": "v1",
                            "items": [{**n, "kind": None} for n in of("Node")],
                        },
                        REST,
                    ]
                ),
                "json",
            ),
            id="the API's own within a List",
        ),
        pytest.param(f"{json.dumps(NODES, indent=4)}\n{json.dumps(REST)}\n", id="one after the other"),
        pytest.param(lines(seed()), id="an object a line"),
        pytest.param(f"{json.dumps(NODES)}\n---\n{json.dumps(REST)}\n", id="JSON with --- between"),
        pytest.param(f"{json.dumps(NODES)}\r\n---\r\n{yaml.safe_dump(REST)}", id="JSON, and then YAML"),
        pytest.param(f"{yaml.safe_dump(NODES)}---\n{json.dumps(REST)}\n", id="YAML, and then JSON"),
        pytest.param(
            "---\n# Source: chart/templates/none.yaml\n---\n---\n"
            + "".join(f"---\n# Source: chart/templates/it.yaml\n{yaml.safe_dump(item)}" for item in seed())
            + "---\n\n...\n",
            id="as helm template prints it",
        ),
        pytest.param(yaml.safe_dump(listed(seed())).replace("\n", "\r\n"), id="YAML with lines as on Windows"),
        pytest.param(SEED.read_text().encode("utf-8-sig"), id="YAML with a byte order mark"),
        pytest.param(SEED.read_text().encode("utf-16"), id="YAML from the > of PowerShell"),
        pytest.param(text(listed(seed()), "json").encode("utf-16"), id="JSON from the > of PowerShell"),
        pytest.param(b"\xfe\xff" + text(listed(seed()), "json").encode("utf-16-be"), id="the other byte order"),
    ],
)
def test_it_says_what_the_plain_one_says(body: bytes | str, plain: Json) -> None:
    run = check(body, "--strict")
    assert (run.code, run.err) == (0, "")
    assert run.report == plain


def deep(levels: int) -> Json:
    made = listed(of("Service"))
    for _ in range(levels):
        made = listed([made])
    return made


@FORMS
@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        pytest.param(listed(["x"]), "item 1: item 1: ", id="an item of the inner List that is no object"),
        pytest.param(
            {"kind": "List", "items": 7}, "item 1: not a Kubernetes object: ", id="items that are a number"
        ),
        pytest.param(listed([{"kind": "Service"}]), "item 1: item 1: no apiVersion", id="an object of no version"),
        pytest.param(deep(DEEPEST), f"a List within more than {DEEPEST} others", id="Lists without end"),
    ],
)
def test_what_is_malformed_in_a_list_within_a_list_is_lost_alone(
    form: str, odd: Json, expected: str, plain: Json
) -> None:
    run = check(text(listed([odd, *seed()]), form))
    assert run.report["services"] == plain["services"]
    (warning,) = run.report["warnings"]
    assert expected in warning


@FORMS
def test_as_deep_as_it_may_be(form: str) -> None:
    services = check(text(listed([deep(DEEPEST - 1), NODES]), form)).report["services"]
    assert [service["name"] for service in services] == ["nginx-nginx-ingress-controller"]


@FORMS
@pytest.mark.parametrize(
    ("around", "where"),
    [
        pytest.param(lambda status: status, "", id="alone"),
        pytest.param(lambda status: listed([*seed(), status]), "item 8: ", id="among objects"),
    ],
)
def test_the_api_servers_refusal_is_no_dump(form: str, around: Callable[[Json], Json], where: str) -> None:
    document = "" if form == "json" else "document 1: "
    assert failed(check(text(around(REFUSAL), form))) == (
        f"etpguard: stdin: {document}{where}the file has a refusal of the API server instead of objects: "
        'services is forbidden: User "x" cannot list'
    )


def test_the_api_servers_consent_is_passed_over(plain: Json) -> None:
    consent = {"kind": "Status", "apiVersion": "v1", "status": "Success"}
    assert check(text(listed([*seed(), consent]), "json")).report == plain


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            gzip.compress(SEED.read_bytes()), "the file is compressed; decompress it first: gzip -dc", id="gzip"
        ),
        pytest.param("# é\na: 1".encode("latin-1"), "it is binary, or not in UTF-8", id="another encoding"),
        pytest.param(
            b"\xff\xfe\x00", "begins with the mark of UTF-16, but is not UTF-16", id="half a character of UTF-16"
        ),
        pytest.param(
            f"{yaml.safe_dump(NODES)}{yaml.safe_dump(REST)}",
            "another object begins in the middle of one: a line `---` is missing",
            id="YAML after YAML without ---",
        ),
        pytest.param(
            f"{json.dumps(NODES)}\n---\nkind: [\n", "part 2: document 1: line 3", id="broken YAML after JSON"
        ),
        pytest.param(
            "NAME   TYPE        CLUSTER-IP\nkube   ClusterIP   10.96.0.1\n",
            "not a Kubernetes object",
            id="a table",
        ),
    ],
)
def test_a_file_that_is_no_dump_ends_the_command_with_one_line(body: bytes | str, expected: str) -> None:
    assert expected in failed(check(body))


def test_a_name_that_is_empty_is_not_the_directory_of_work() -> None:
    assert failed(etpguard("check", "-f", "")) == "etpguard: -f '': the name of the file is empty"


def test_one_object_a_file_in_a_directory(tmp_path: Path, plain: Json) -> None:
    for number, item in enumerate(seed()):
        form = ("json", "yaml")[number % 2]
        (tmp_path / f"{number}.{form}").write_text(text(item, form))
    (tmp_path / "README.md").write_text("not: [yaml")
    (tmp_path / "older.yaml").mkdir()
    assert etpguard("check", "-f", tmp_path, "-o", "json").report == plain
