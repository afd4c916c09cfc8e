"""The templates of pods: what decides on their pods, and whether another version of the template is another one.

A rollout replaces the pods if anything in the template changes. Much of it is read by no rule, and may contain
credentials, so a digest stands for it. Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from etpguard.objects.pods import PodContainer, PodSpec, Volume
from etpguard.objects.records import Shape

_DIGEST = re.compile(r"digest:[0-9a-f]{4}")


def digest(text: str) -> str:
    """Has 16 bits: too few to tell a password from others by trial. A digest, as a dump has it, is its own
    digest."""
    return text if _DIGEST.fullmatch(text) else f"digest:{hashlib.sha256(text.encode()).hexdigest()[:4]}"


def _digest_of(texts: Sequence[str]) -> str:
    """The digest of a list, which may be one already, with other texts behind it."""
    return texts[0] if _DIGEST.fullmatch(texts[0]) else digest("\0".join(texts))


class TemplateMeta(Shape, frozen=True):
    """The value of each annotation is a digest."""

    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None

    def __post_init__(self) -> None:
        if self.annotations is not None:
            for key, value in self.annotations.items():
                self.annotations[key] = digest(value)


class Variable(Shape, frozen=True):
    """An environment variable. `value` is a digest, of the reference if the value comes from another object."""

    name: str = ""
    value: str | None = None
    value_from: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        value = digest(self.value) if self.value else None
        if self.value_from:
            # Without the default that the API server writes into a reference to a field.
            known = {
                source: {name: text for name, text in reference.items() if name != "apiVersion"}
                for source, reference in self.value_from.items()
                if isinstance(reference, dict)
            }
            value = digest(msgspec.json.encode(known, order="deterministic").decode())
        msgspec.structs.force_setattr(self, "value", value)
        msgspec.structs.force_setattr(self, "value_from", None)


class ObjectName(Shape, frozen=True):
    name: str | None = None


class Variables(Shape, frozen=True):
    """All entries of a ConfigMap or a Secret."""

    config_map_ref: ObjectName | None = None
    secret_ref: ObjectName | None = None


class TemplateContainer(PodContainer, frozen=True):
    """`image` is "NAME@DIGEST", `command` a digest, and `args` begins with one."""

    command: list[str] | None = None
    env: list[Variable] | None = None
    env_from: list[Variables] | None = None

    def __post_init__(self) -> None:
        put = msgspec.structs.force_setattr
        image, arguments = self.image or "", self.args
        super().__post_init__()
        if image:
            former = image.partition("@")[2]
            put(self, "image", f"{self.image}@{digest(former if _DIGEST.fullmatch(former) else image)}")
        if arguments:
            put(self, "args", [_digest_of(arguments), *(self.args or ())])
        if self.command:
            put(self, "command", [_digest_of(self.command)])
        if self.env:  # an apply may give them in another order
            put(self, "env", sorted(self.env, key=lambda each: each.name))


class SecretName(Shape, frozen=True):
    secret_name: str | None = None


class TemplateVolume(Volume, frozen=True):
    config_map: ObjectName | None = None
    secret: SecretName | None = None


class TemplateSpec(PodSpec, frozen=True):
    containers: list[TemplateContainer] | None = None  # type: ignore[assignment]
    init_containers: list[TemplateContainer] | None = None  # type: ignore[assignment]
    volumes: list[TemplateVolume] | None = None  # type: ignore[assignment]


class PodTemplate(Shape, frozen=True):
    metadata: TemplateMeta | None = None
    spec: TemplateSpec | None = None

    @property
    def labels(self) -> dict[str, str]:
        return (self.metadata and self.metadata.labels) or {}
