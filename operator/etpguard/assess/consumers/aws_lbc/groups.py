"""Ingress groups: what one member settles for all who share its load balancer.

aws-load-balancer-controller v3.5.0: pkg/ingress/model_builder.go (buildSSLRedirectConfig),
model_build_listener.go (listen ports), model_build_listener_rules.go:20-22.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from etpguard.assess.consumers.aws_lbc.annotations import ALB, Annotations, ModelError
from etpguard.assess.consumers.aws_lbc.classes import GROUP_ANNOTATION, group_name
from etpguard.assess.consumers.interface import View
from etpguard.objects import INGRESS, INGRESS_CLASS, Ingress, IngressClass, Key, Service
from etpguard.objects.aws import INGRESS_CLASS_PARAMS, IngressClassParamsSpec, index_key


@dataclass(frozen=True, slots=True)
class Group:
    """The Ingresses of one load balancer; `reads` are the keys under which a change of membership shows."""

    name: str
    members: tuple[Ingress, ...]
    reads: frozenset[Key] = frozenset()

    def redirects(self, ingress: Ingress, params: IngressClassParamsSpec) -> bool:
        """Whether the member's rules are built on no listener at all: once any member sets ssl-redirect,
        HTTP listeners only redirect. Raises ModelError where there is no HTTPS listener to redirect to."""
        annotations = [Annotations(ALB, ("Ingress", member)) for member in self.members]
        ports = {port for a in annotations if (port := a.integer("ssl-redirect")) is not None}
        listening = listeners(ingress, params)
        if not ports:
            return False
        if len(ports) > 1:
            raise ModelError("SslRedirectConflict", f"{self._said()} set different ssl-redirect ports")
        (port,) = ports
        if not any(listeners(member, params).get(port) == "HTTPS" for member in self.members):
            raise ModelError("SslRedirectWithoutListener", f"{self._said()} redirect to port {port}, not HTTPS")
        return "HTTPS" not in listening.values()

    def check_family(self, service: Service, ingress: Ingress, params: IngressClassParamsSpec) -> None:
        """An IPv6 target group needs a dual-stack load balancer (buildTargetGroupIPAddressType)."""
        if "IPv6" not in (service.spec.ip_families or ()):
            return
        types = [params.ip_address_type or ""]
        types += [m.annotations.get(f"{ALB}ip-address-type", "") for m in self.members]
        if not any(t.startswith("dualstack") for t in types):
            raise ModelError(
                "LoadBalancerNotDualStack",
                f"Service {service.key} has an IPv6 address, and the load balancer of Ingress {ingress.key} is "
                f"not dual-stack (annotation {ALB}ip-address-type), so the controller refuses the Ingress",
            )

    def _said(self) -> str:
        return f"the Ingresses of group {self.name}" if self.name else f"Ingress {self.members[0].key} does"


def group_of(ingress: Ingress, params: IngressClassParamsSpec, view: View) -> Group:
    name = group_name(ingress, params)
    if not name:
        return Group("", (ingress,))
    keys = {_by_group(name), *(_by_class(class_) for class_ in _classes_of(name, view))}
    members = {member.key: member for key in keys for member in view.referring(INGRESS, key)}
    members[ingress.key] = ingress
    alive = tuple(member for member in members.values() if not member.deleting)
    return Group(name, alive, frozenset(keys))


def membership(ingress: Ingress) -> Iterable[Key]:
    """Keys that no Service has, under which the picture's index of references finds the members of a group,
    and under which a consumer is assessed again when they change."""
    if (name := ingress.annotations.get(GROUP_ANNOTATION)) is not None:
        yield _by_group(name)
    if ingress.spec and ingress.spec.ingress_class_name:
        yield _by_class(ingress.spec.ingress_class_name)


def groups_named(ingress: Ingress, view: View) -> frozenset[str]:
    """The group whose bindings may be the Ingress's: by the parameters of its class, or by annotation."""
    class_name = ingress.spec.ingress_class_name if ingress.spec else None
    class_ = view.get(INGRESS_CLASS, Key("", class_name)) if class_name else None
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


def _group_of_class(class_: IngressClass, view: View) -> str:
    reference = class_.spec.parameters if class_.spec else None
    params = view.get(INGRESS_CLASS_PARAMS, Key("", reference.name)) if reference else None
    return params.spec.group.name if params and params.spec and params.spec.group else ""


def _by_group(name: str) -> Key:
    return index_key("ingress-group", name)


def _by_class(name: str) -> Key:
    return index_key("ingress-class", name)
