"""Ingress groups: what one member settles for all who share its load balancer.

aws-load-balancer-controller v3.5.0: pkg/ingress/model_builder.go (buildSSLRedirectConfig),
model_build_listener.go (listen ports), model_build_listener_rules.go:20-22.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from etpguard.assess.consumers.aws_lbc.annotations import ALB, Annotations, ModelError, parse_port
from etpguard.assess.consumers.aws_lbc.classes import GROUP_ANNOTATION, group_name
from etpguard.assess.consumers.ingresses import CLASS_ANNOTATION
from etpguard.assess.consumers.interface import View
from etpguard.objects import INGRESS, INGRESS_CLASS, Ingress, IngressClass, Key, Service
from etpguard.objects.aws import INGRESS_CLASS_PARAMS, IngressClassParamsSpec
from etpguard.objects.records import index_key


@dataclass(frozen=True, slots=True)
class Group:
    """The Ingresses of one load balancer, with the parameters of their classes; `reads` are the keys under which
    a change of membership shows."""

    name: str
    members: tuple[tuple[Ingress, IngressClassParamsSpec], ...]
    reads: frozenset[Key] = frozenset()

    def redirects(self, ingress: Ingress, params: IngressClassParamsSpec) -> bool:
        """Whether the member's rules are built on no listener at all: once any member or its class sets a
        redirect, HTTP listeners only redirect. Raises ModelError where there is no HTTPS listener to redirect
        to."""
        ports = self._redirect_ports()
        listening = listeners(ingress, params)
        if not ports:
            return False
        if len(ports) > 1:
            raise ModelError("SslRedirectConflict", f"{self._said()} set different ssl-redirect ports")
        (port,) = ports
        if not any(listeners(*member).get(port) == "HTTPS" for member in self.members):
            raise ModelError("SslRedirectWithoutListener", f"{self._said()} redirect to port {port}, not HTTPS")
        return "HTTPS" not in listening.values()

    def check_family(self, service: Service, ingress: Ingress, params: IngressClassParamsSpec) -> None:
        """An IPv6 target group needs a dual-stack load balancer (buildTargetGroupIPAddressType)."""
        if "IPv6" not in (service.spec.ip_families or ()):
            return
        types = [params.ip_address_type or ""]
        types += [m.annotations.get(f"{ALB}ip-address-type", "") for m, _ in self.members]
        if not any(t.startswith("dualstack") for t in types):
            raise ModelError(
                "LoadBalancerNotDualStack",
                f"Service {service.key} has an IPv6 address, and the load balancer of Ingress {ingress.key} is "
                f"not dual-stack (annotation {ALB}ip-address-type), so the controller refuses the Ingress",
            )

    def _redirect_ports(self) -> set[int]:
        """The class's parameter goes before the annotation; one that is no number undoes all redirects."""
        ports: set[int] = set()
        for member, params in self.members:
            if params.ssl_redirect_port:
                port = parse_port(params.ssl_redirect_port)
                if isinstance(port, str):
                    return set()
            else:
                annotated = Annotations(ALB, ("Ingress", member)).integer("ssl-redirect")
                if annotated is None:
                    continue
                port = annotated
            ports.add(port)
        return ports

    def _said(self) -> str:
        return f"the Ingresses of group {self.name}" if self.name else f"Ingress {self.members[0][0].key} does"


def group_of(ingress: Ingress, params: IngressClassParamsSpec, view: View) -> Group:
    name = group_name(ingress, params)
    if not name:
        return Group("", ((ingress, params),))
    keys = {_by_group(name), *(_by_class(class_) for class_ in _classes_of(name, view))}
    members = {member.key: member for key in keys for member in view.referring(INGRESS, key)}
    members[ingress.key] = ingress
    alive = [member for member in members.values() if not member.deleting]
    known = ((m, params if m.key == ingress.key else _params_of(m, view)) for m in alive)
    return Group(name, tuple(known), frozenset(keys))


def membership(ingress: Ingress) -> Iterable[Key]:
    """Keys that no Service has, under which the picture's index of references finds the members of a group,
    and under which a consumer is assessed again when they change."""
    if (name := ingress.annotations.get(GROUP_ANNOTATION)) is not None:
        yield _by_group(name)
    if ingress.spec and ingress.spec.ingress_class_name:
        yield _by_class(ingress.spec.ingress_class_name)


def groups_named(ingress: Ingress, view: View) -> frozenset[str]:
    """The group whose bindings may be the Ingress's: by the parameters of its class, or by annotation."""
    class_ = _class_of(ingress, view)
    group = _group_of_class(class_, view) if class_ else ""
    group = group or ingress.annotations.get(GROUP_ANNOTATION, "")
    return frozenset({group}) if group else frozenset()


def listeners(ingress: Ingress, params: IngressClassParamsSpec) -> dict[int, str]:
    """Port to HTTP or HTTPS (computeIngressListenPorts)."""
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
    """The IngressClasses whose parameters put every Ingress into that group."""
    return [class_.metadata.name for class_ in view.all(INGRESS_CLASS) if _group_of_class(class_, view) == group]


def _class_of(ingress: Ingress, view: View) -> IngressClass | None:
    name = ingress.spec.ingress_class_name if ingress.spec else None
    return view.get(INGRESS_CLASS, Key("", name)) if name else None


def _params_of(member: Ingress, view: View) -> IngressClassParamsSpec:
    """As far as they can be read; the legacy annotation goes without any."""
    class_ = None if CLASS_ANNOTATION in member.annotations else _class_of(member, view)
    return _params_of_class(class_, view) if class_ else IngressClassParamsSpec()


def _group_of_class(class_: IngressClass, view: View) -> str:
    group = _params_of_class(class_, view).group
    return group.name if group else ""


def _params_of_class(class_: IngressClass, view: View) -> IngressClassParamsSpec:
    reference = class_.spec.parameters if class_.spec else None
    params = view.get(INGRESS_CLASS_PARAMS, Key("", reference.name)) if reference else None
    return (params.spec if params else None) or IngressClassParamsSpec()


def _by_group(name: str) -> Key:
    return index_key("ingress-group", name)


def _by_class(name: str) -> Key:
    return index_key("ingress-class", name)
