"""The records of Ingresses and their classes."""

from __future__ import annotations

from typing import Any

from etpguard.objects.records import AnnotatedRecord, Shape


class BackendPort(Shape, frozen=True):
    name: str | None = None
    number: int | None = None


class BackendService(Shape, frozen=True):
    name: str
    port: BackendPort | None = None


class Backend(Shape, frozen=True):
    service: BackendService | None = None
    resource: Any = None


class IngressPath(Shape, frozen=True):
    backend: Backend | None = None
    path: str | None = None


class IngressHTTP(Shape, frozen=True):
    paths: list[IngressPath] | None = None


class IngressRule(Shape, frozen=True):
    host: str | None = None
    http: IngressHTTP | None = None


class IngressSpec(Shape, frozen=True):
    ingress_class_name: str | None = None
    default_backend: Backend | None = None
    rules: list[IngressRule] | None = None


class Ingress(AnnotatedRecord, frozen=True):
    spec: IngressSpec | None = None

    @property
    def substance(self) -> object:
        return (*self._meta_substance, self.spec)

    @property
    def backends(self) -> list[Backend]:
        """Default backend first, then the paths' in their order; rules without `http` have none."""
        if self.spec is None:
            return []
        paths = (path for rule in self.spec.rules or () for path in (rule.http and rule.http.paths) or ())
        found = [self.spec.default_backend, *(path.backend for path in paths)]
        return [backend for backend in found if backend is not None]


class ClassParameters(Shape, frozen=True):
    api_group: str | None = None
    kind: str = ""
    name: str = ""


class IngressClassSpec(Shape, frozen=True):
    controller: str | None = None
    parameters: ClassParameters | None = None


class IngressClass(AnnotatedRecord, frozen=True):
    spec: IngressClassSpec | None = None

    @property
    def substance(self) -> object:
        return (*self._meta_substance, self.spec)

    @property
    def controller(self) -> str:
        return (self.spec and self.spec.controller) or ""
