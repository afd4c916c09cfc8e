"""Ingress groups: the settings of one member that hold for all Ingresses of the same load balancer.

aws-load-balancer-controller v3.5.0: pkg/ingress/group_loader.go (members and their order), model_builder.go
(mergeListenPortConfigs, buildSSLRedirectConfig), model_build_listener.go (listen ports, default backends),
model_build_listener_rules.go:20-22, model_build_load_balancer.go (buildLoadBalancerIPAddressType).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from msgspec import Struct

from etpguard.assess.consumers.families.aws_lbc.annotations import (
    ALB,
    Annotations,
    ModelError,
    UnclearError,
    parse_port,
)
from etpguard.assess.consumers.families.aws_lbc.backends import ingress_actions
from etpguard.assess.consumers.families.aws_lbc.classes import (
    GROUP_ANNOTATION,
    PARAMS_NOT_READABLE,
    class_config,
    group_name,
)
from etpguard.assess.consumers.families.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.shared.ingresses import AWS_LBC, CLASS_ANNOTATION, default_classes
from etpguard.assess.consumers.view import View
from etpguard.objects import INGRESS, INGRESS_CLASS, NAMESPACE, Ingress, IngressClass, Key, Service
from etpguard.objects.aws import INGRESS_CLASS_PARAMS, IngressClassParamsSpec
from etpguard.objects.records import index_key

_SSL_REDIRECT = "ssl-redirect"
_DUAL_STACK = ("dualstack", "dualstack-without-public-ipv4")


class Group(Struct, frozen=True, dict=True):
    """The Ingresses of one load balancer with the parameters of their classes. `reads` are the keys under which
    the picture shows a change of membership. What follows from the members is computed once."""

    name: str
    members: tuple[tuple[Ingress, IngressClassParamsSpec], ...]
    reads: frozenset[Key] = frozenset()
    unclear: UnclearError | None = None
    """An Ingress that may be a member and may redirect the others, but whose class or class parameters cannot be
    read."""
    errors: tuple[tuple[Key, ModelError], ...] = ()
    """The members with an action that the controller refuses."""

    def check(self) -> None:
        """Raise ModelError where what a member says makes the controller refuse the load balancer of all of them.
        What depends on the Services of other members is not looked at."""
        if self._refused is not None:
            raise self._refused.with_traceback(None)

    def redirects(self, ingress: Ingress, params: IngressClassParamsSpec) -> bool:
        """Whether the rules of the member are on no listener at all: once any member or its class sets a redirect,
        HTTP listeners only redirect. Raises ModelError where there is no HTTPS listener to redirect to."""
        if isinstance(self._redirect, ModelError):
            raise self._redirect.with_traceback(None)
        listening = listeners(ingress, params)
        if self._redirect is None:
            return False
        if isinstance(self._secure, ModelError):
            raise self._secure.with_traceback(None)
        return "HTTPS" not in listening.values()

    @cached_property
    def _redirect(self) -> int | ModelError | None:
        """The port to which HTTP listeners redirect."""
        if self.unclear is not None:
            return self.unclear
        try:
            ports = self._redirect_ports()
        except ModelError as error:
            return error
        if len(ports) > 1:
            return ModelError("SslRedirectConflict", f"{self._subject} set different ssl-redirect ports")
        return next(iter(ports), None)

    @cached_property
    def _secure(self) -> ModelError | None:
        """Why HTTP listeners cannot redirect; None if they can."""
        try:
            if any((self._redirect, "HTTPS") in listeners(*member).items() for member in self.members):
                return None
        except ModelError as error:
            return error
        return ModelError(
            "SslRedirectWithoutListener", f"{self._subject} redirect to port {self._redirect}, which is not HTTPS"
        )

    def check_family(self, service: Service, ingress: Ingress) -> None:
        """Raise ModelError for an IPv6 target group without a dual-stack load balancer
        (buildTargetGroupIPAddressType)."""
        if "IPv6" in (service.spec.ip_families or ()) and not self._dual_stack:
            raise ModelError(
                "LoadBalancerNotDualStack",
                f"Service {service.key} has an IPv6 address, and the load balancer of Ingress {ingress.key} is "
                f"not dual-stack (annotation {ALB}ip-address-type), so the controller refuses the Ingress",
            )

    @cached_property
    def _refused(self) -> ModelError | None:
        try:
            self._check_members()
        except ModelError as error:
            if not self.name:
                return error
            detail = f"{error.reason.detail}; so the controller refuses all Ingresses of group {self.name}"
            return ModelError(error.reason.code, detail)
        return None

    def _check_members(self) -> None:
        protocols: dict[int, str] = {}
        with_default: dict[int, Key] = {}
        silent: set[Key] = set()
        for member, params in self.members:
            order = Annotations(ALB, ("Ingress", member)).integer("group.order")
            if order is not None and not -1000 <= order <= 1000:
                raise Annotations(ALB, ("Ingress", member)).error("group.order", "is not from -1000 to 1000")
            listening = listeners(member, params)
            redirects = isinstance(self._redirect, int)
            if redirects and "HTTPS" not in listening.values():
                silent.add(member.key)
            for port, protocol in listening.items():
                if protocols.setdefault(port, protocol) != protocol:
                    raise ModelError(
                        "ListenPortConflict", f"{self._subject} listen on port {port} by two protocols"
                    )
                if not (member.spec and member.spec.default_backend) or (redirects and protocol == "HTTP"):
                    continue
                if (other := with_default.setdefault(port, member.key)) != member.key:
                    detail = f"Ingresses {other} and {member.key} have a default backend for one listener ({port})"
                    raise ModelError("SeveralDefaultBackends", detail)
        if len(self._address_types) > 1:
            raise ModelError("AddressTypeConflict", f"{self._subject} set different IP address types")
        if unknown := self._address_types - {"ipv4", *_DUAL_STACK}:
            raise ModelError(
                "MalformedAnnotation", f"{self._subject} set an IP address type {next(iter(unknown))[:40]!r}"
            )
        for key, error in self.errors:
            if key not in silent:
                raise error

    @cached_property
    def _address_types(self) -> frozenset[str]:
        """The IP address types that members set. The parameter of a class overrides the annotation."""
        key = f"{ALB}ip-address-type"
        annotated = (params.ip_address_type or member.annotations.get(key) for member, params in self.members)
        return frozenset(each for each in annotated if each is not None)

    @property
    def _dual_stack(self) -> bool:
        return not self._address_types.isdisjoint(_DUAL_STACK)

    def _redirect_ports(self) -> set[int]:
        """The ports of all redirects. The parameter of the class overrides the annotation. A value that is not a
        number disables all redirects."""
        ports: set[int] = set()
        for member, params in self.members:
            if params.ssl_redirect_port:
                port = parse_port(params.ssl_redirect_port)
                if isinstance(port, str):
                    return set()
            else:
                annotated = Annotations(ALB, ("Ingress", member)).integer(_SSL_REDIRECT)
                if annotated is None:
                    continue
                port = annotated
            ports.add(port)
        return ports

    @property
    def _subject(self) -> str:
        return f"the Ingresses of group {self.name}" if self.name else f"Ingress {self.members[0][0].key} does"


def group_of(ingress: Ingress, params: IngressClassParamsSpec, view: View, options: AwsOptions) -> Group:
    """The group of an Ingress that the controller manages. The members of a named group are found once."""
    name = group_name(ingress, params)
    if not name:
        return Group("", ((ingress, params),), errors=_errors((ingress,), view))
    return view.once(f"group {name}", None, lambda _: _load(name, view, options))


def _load(name: str, view: View, options: AwsOptions) -> Group:
    """The group with its active members (group_loader.go checkGroupMembershipType): Ingresses whose class the
    controller manages, whose namespace the class admits, and whose group has that name. An Ingress with an invalid
    class is no member."""
    keys = {_by_group(name), *(_by_class(class_) for class_ in _classes_of(name, view))}
    found = {member.key: member for key in sorted(keys) for member in view.referring(INGRESS, key)}
    members: list[tuple[Ingress, IngressClassParamsSpec]] = []
    unclear: UnclearError | None = None
    for member in found.values():
        try:
            config = class_config(member, view, options)
            if config is not None and group_name(member, config.params) == name:
                members.append((member, config.params))
        except UnclearError as error:
            # Parameters, too, may set a redirect.
            if f"{ALB}{_SSL_REDIRECT}" in member.annotations or error.reason.code == PARAMS_NOT_READABLE:
                unclear = unclear or error
        except ModelError:
            continue
    namespaces = {index_key(NAMESPACE.name, member.key.namespace) for member in found.values()}
    errors = _errors((member for member, _ in members), view)
    return Group(name, tuple(members), frozenset(keys | namespaces), unclear, errors)


def _errors(members: Iterable[Ingress], view: View) -> tuple[tuple[Key, ModelError], ...]:
    errors = ((member.key, view.once("alb-actions", member, ingress_actions).error) for member in members)
    return tuple((key, error) for key, error in errors if error is not None)


def membership(ingress: Ingress) -> Iterable[Key]:
    """Keys that no Service has: under them the picture finds the possible members of a group, and the engine the
    consumers to assess again when they change."""
    if (name := ingress.annotations.get(GROUP_ANNOTATION)) is not None:
        yield _by_group(name)
    if ingress.spec and ingress.spec.ingress_class_name:
        yield _by_class(ingress.spec.ingress_class_name)
    elif CLASS_ANNOTATION not in ingress.annotations:
        yield _by_class("")


def groups_named(ingress: Ingress, view: View) -> frozenset[str]:
    """The groups whose bindings may be those of the Ingress: by the parameters of its class, or by annotation."""
    class_ = _class_of(ingress, view)
    group = _group_of_class(class_, view) if class_ else ""
    group = group or ingress.annotations.get(GROUP_ANNOTATION, "")
    return frozenset({group}) if group else frozenset()


def listeners(ingress: Ingress, params: IngressClassParamsSpec) -> dict[int, str]:
    """For each port HTTP or HTTPS (computeIngressListenPorts)."""
    annotations = Annotations(ALB, ("Ingress", ingress))
    raw = annotations.json("listen-ports")
    if annotations.get("listen-ports") is None:
        secure = annotations.get("certificate-arn") or params.certificate_arn
        return {443: "HTTPS"} if secure else {80: "HTTP"}
    if not isinstance(raw, list) or not raw:
        raise annotations.error("listen-ports", "is no JSON list with an entry")
    found: dict[int, str] = {}
    for entry in raw:
        for protocol, port in entry.items() if isinstance(entry, dict) else [("", None)]:
            if protocol not in ("HTTP", "HTTPS") or not isinstance(port, int) or not 0 < port < 65536:
                raise annotations.error("listen-ports", 'has an entry that is not {"HTTP" or "HTTPS": port}')
            found[port] = protocol
    return found


def _classes_of(group: str, view: View) -> Iterable[str]:
    """The names of the IngressClasses whose parameters put every Ingress into that group, or may do so because
    they were not read. "" stands for Ingresses without a class, where one of these classes is the default."""
    names = [
        class_.metadata.name
        for class_ in view.all(INGRESS_CLASS)
        if _group_of_class(class_, view) == group or _params_unseen(class_, view)
    ]
    if any(class_.metadata.name in names for class_ in default_classes(view)):
        names.append("")
    return names


def _class_of(ingress: Ingress, view: View) -> IngressClass | None:
    name = ingress.spec.ingress_class_name if ingress.spec else None
    return view.get(INGRESS_CLASS, Key("", name)) if name else None


def _group_of_class(class_: IngressClass, view: View) -> str:
    reference = class_.spec.parameters if class_.spec else None
    params = view.get(INGRESS_CLASS_PARAMS, Key("", reference.name)) if reference else None
    group = params.spec.group if params and params.spec else None
    return group.name if group else ""


def _params_unseen(class_: IngressClass, view: View) -> bool:
    """Whether a class of the controller has parameters that were not read, although they may exist."""
    reference = class_.spec.parameters if class_.spec else None
    if reference is None or class_.controller != AWS_LBC:
        return False
    missing = view.get(INGRESS_CLASS_PARAMS, Key("", reference.name)) is None
    return missing and view.unseen(INGRESS_CLASS_PARAMS) is not None


def _by_group(name: str) -> Key:
    return index_key("ingress-group", name)


def _by_class(name: str) -> Key:
    return index_key("ingress-class", name)
