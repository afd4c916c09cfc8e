"""kubernetes.proto against its generated module, and against the Go modules whose objects it describes."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from etpguard.objects.protobuf import kubernetes_pb2 as pb
from tests.objects.protobuf import go_modules

ROOT = Path(__file__).parents[3] / "operator"
SCHEMA = Path("etpguard/objects/protobuf/kubernetes.proto")

SOURCES = (
    ("k8s.io/apimachinery", "pkg/runtime"),
    ("k8s.io/apimachinery", "pkg/apis/meta/v1"),
    ("k8s.io/api", "discovery/v1"),
    ("k8s.io/api", "networking/v1"),
    ("k8s.io/api", "core/v1"),
)

OURS = re.compile(r"Object(List|ListAnswer)|\w+Answer|Malformed\w+")
"""Messages that are other views of the bytes of upstream's."""

MESSAGES = [m for m in pb.DESCRIPTOR.message_types_by_name.values() if not OURS.fullmatch(m.name)]
FIELDS = [(message, field) for message in MESSAGES for field in message.fields]


@dataclass(frozen=True)
class Upstream:
    number: int
    type: str
    repeated: bool


def test_the_generated_module_is_that_of_the_schema(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}", f"--python_out={tmp_path}"]
    subprocess.run([*command, f"--pyi_out={tmp_path}", str(ROOT / SCHEMA)], check=True)
    for suffix in ("_pb2.py", "_pb2.pyi"):
        name = SCHEMA.with_name(SCHEMA.stem + suffix)
        assert (ROOT / name).read_text() == (tmp_path / name).read_text(), "make it again: make protobuf"


@cache
def upstream() -> dict[str, dict[str, Upstream]]:
    """The messages of the generated.proto files by their simple names, with their fields. The first of a name
    counts: both packages of apimachinery have a TypeMeta, and core has an EndpointPort too."""
    found: dict[str, dict[str, Upstream]] = {}
    for module, package in SOURCES:
        text = (go_modules.folder(module) / package / "generated.proto").read_text()
        for name, body in re.findall(r"^message (\w+) \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE):
            fields = re.findall(
                r"^  (?:(optional|repeated) )?(map<.*?>|[\w.]+) (\w+) = (\d+);", body, re.MULTILINE
            )
            found.setdefault(
                name,
                {
                    field: Upstream(int(number), type_.rpartition(".")[2], label == "repeated")
                    for label, type_, field, number in fields
                },
            )
    return found


@cache
def pointers() -> dict[str, set[int]]:
    """The numbers of the fields that are pointers in Go, by the names of their structs."""
    found: dict[str, set[int]] = {}
    for module, package in SOURCES:
        text = (go_modules.folder(module) / package / "types.go").read_text()
        for name, body in re.findall(r"^type (\w+) struct \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE):
            numbers = re.findall(r"^\t\w+\s+\*\S+\s+`[^`]*protobuf:\"\w+,(\d+)", body, re.MULTILINE)
            found.setdefault(name, set(map(int, numbers)))
    return found


def type_name(field: FieldDescriptor) -> str:
    message: Descriptor | None = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return "string>"  # the end of map<string, string>
    if message is not None:
        return message.name
    return {v: k for k, v in vars(FieldDescriptor).items() if k.startswith("TYPE_")}[field.type][5:].lower()


@pytest.mark.parametrize(("message", "field"), [pytest.param(m, f, id=f"{m.name}.{f.name}") for m, f in FIELDS])
def test_a_field_is_that_of_upstream(message: Descriptor, field: FieldDescriptor) -> None:
    if message.name == "Time":
        theirs = upstream()["Timestamp"][field.name]
    else:
        theirs = upstream()[message.name][field.name]
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    ours = Upstream(field.number, type_name(field), field.is_repeated and not is_map)
    assert ours == Upstream(theirs.number, theirs.type.replace("map<string, ", ""), theirs.repeated)


@pytest.mark.parametrize(
    ("message", "field"),
    [pytest.param(m, f, id=f"{m.name}.{f.name}") for m, f in FIELDS if not m.name.endswith(("List", "Time"))],
)
def test_a_field_is_optional_if_it_is_a_pointer_in_go(message: Descriptor, field: FieldDescriptor) -> None:
    optional = field.containing_oneof is not None
    assert optional == (field.number in pointers()[message.name])


def test_an_answer_is_the_message_unknown() -> None:
    """A field of bytes has the encoding of a field with a message."""
    unknown = upstream()["Unknown"]
    for message in pb.DESCRIPTOR.message_types_by_name.values():
        if message.name.endswith("Answer"):
            assert {f.name: f.number for f in message.fields} == {
                name: unknown[name].number for name in ("typeMeta", "raw")
            }
    assert unknown["raw"].type == "bytes"


def test_a_list_of_bytes_has_the_fields_of_each_list() -> None:
    numbers = {field.name: field.number for field in pb.ObjectList.DESCRIPTOR.fields}
    for message in MESSAGES:
        if message.name.endswith("List"):
            assert {f.name: f.number for f in message.fields} == numbers
    malformed = {f.name: f.number for f in pb.MalformedMeta.DESCRIPTOR.fields}
    assert malformed.items() <= {f.name: f.number for f in pb.ObjectMeta.DESCRIPTOR.fields}.items()
