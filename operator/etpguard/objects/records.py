"""The parts of all records, and the reject in place of an object that could not be read.

Records are shaped like the API objects but hold only the fields that a rule reads. JSON null is the zero value
everywhere, as in the API server's own Go decoding, hence `| None` on every field that the API lets one omit. A
value of another type is an error that `decode` turns into a `Reject`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import msgspec

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Key(NamedTuple):
    """Namespace and name; the namespace is "" for cluster-scoped objects."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def index_key(kind: str, key: Key | str) -> Key:
    """A key that no Service has. An object that refers to it is found in the picture's index under it, and
    the engine finds a consumer that reads it again when such an object changes."""
    return Key("", f"{kind}:{key}")


_ANY = "*"
"""No namespace has this name."""


def presence_key(kind: str, name: str) -> Key:
    """An `index_key` of which it matters only whether any object refers to it. Objects that many consumers read
    through one key would otherwise have all of them judged again at each change of one object."""
    return Key(_ANY, f"{kind}:{name}")


def of_presence(key: Key) -> bool:
    return key.namespace == _ANY


def is_index_key(key: Key) -> bool:
    """Whether it is the key of an index, and of no Service."""
    return key.namespace in ("", _ANY)


class Shape(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Base of every record and of its parts."""


class OwnerReference(Shape, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class BareMeta(Shape, frozen=True):
    """The metadata that identifies a version of an object."""

    name: str
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None


class LabelledMeta(BareMeta, frozen=True):
    labels: dict[str, str] | None = None
    deletion_timestamp: str | None = None


class FullMeta(LabelledMeta, frozen=True):
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None
    generation: int | None = None

    def __post_init__(self) -> None:
        # A second copy of the whole object, up to 256 KiB, that no rule reads.
        if self.annotations is not None:
            self.annotations.pop(_LAST_APPLIED, None)


class Record(Shape, frozen=True):
    """A top-level object. `substance` is what rules read of it: two versions with equal substance are the
    same to etpguard, however often a heartbeat or a resourceVersion moved."""

    metadata: BareMeta

    @property
    def key(self) -> Key:
        return Key(self.metadata.namespace or "", self.metadata.name)

    @property
    def uid(self) -> str:
        return self.metadata.uid or ""

    @property
    def version(self) -> int:
        """resourceVersion as the integer by which versions of one kind are ordered (KEP-5504); 0 if none."""
        return int(self.metadata.resource_version or 0)

    @property
    def substance(self) -> object:
        raise NotImplementedError


class LabelledRecord(Record, frozen=True):
    metadata: LabelledMeta

    @property
    def labels(self) -> dict[str, str]:
        return self.metadata.labels or {}

    @property
    def deleting(self) -> bool:
        return self.metadata.deletion_timestamp is not None


class AnnotatedRecord(LabelledRecord, frozen=True):
    metadata: FullMeta

    @property
    def annotations(self) -> dict[str, str]:
        return self.metadata.annotations or {}

    @property
    def _meta_substance(self) -> tuple[object, ...]:
        meta = self.metadata
        return (meta.uid, meta.labels, meta.annotations, self.deleting, meta.owner_references)


Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]
OPERATORS: dict[str, Operator] = {operator: operator for operator in get_args(Operator)}


class Requirement(Shape, frozen=True):
    """One `matchExpressions` entry of a label selector."""

    key: str
    operator: Operator
    values: tuple[str, ...] | None = None

    def admits(self, labels: dict[str, str]) -> bool:
        """As k8s.io/apimachinery pkg/labels/selector.go: NotIn also admits an absent key."""
        match self.operator:
            case "In":
                return self.key in labels and labels[self.key] in (self.values or ())
            case "NotIn":
                return self.key not in labels or labels[self.key] not in (self.values or ())
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


class Selector(Shape, frozen=True):
    """A `LabelSelector`. The empty one admits everything."""

    match_labels: dict[str, str] | None = None
    match_expressions: tuple[Requirement, ...] | None = None

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """The whole selector in one hashable form, with `matchLabels` sorted by key."""
        labels = sorted((self.match_labels or {}).items())
        return (*(Requirement(k, "In", (v,)) for k, v in labels), *(self.match_expressions or ()))

    def admits(self, labels: dict[str, str]) -> bool:
        return all(requirement.admits(labels) for requirement in self.requirements)


class Condition(Shape, frozen=True):
    type: str
    status: str = "Unknown"
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None


class Reject(NamedTuple):
    """In place of an object that could not be read, so that its key stays in use.

    `message` is one line that names the object and the field. `service` is the Service that a rejected
    EndpointSlice would have belonged to, as far as that is known.
    """

    kind: str
    key: Key
    uid: str
    version: int
    message: str
    service: Key | None = None
