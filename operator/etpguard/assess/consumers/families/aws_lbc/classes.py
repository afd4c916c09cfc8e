"""Which Ingresses the controller manages, and by which class configuration.

aws-load-balancer-controller v3.5.0: pkg/ingress/group_loader.go:175-255, class_loader.go:54-149,
class_annotation_matcher.go.
"""

from __future__ import annotations

import re

from msgspec import Struct, field

from etpguard.assess.consumers.families.aws_lbc.annotations import ALB, ModelError, UnclearError
from etpguard.assess.consumers.families.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.shared.ingresses import AWS_LBC, CLASS_ANNOTATION, default_classes, usual_controller
from etpguard.assess.consumers.view import View
from etpguard.assess.platforms import GKE
from etpguard.objects import INGRESS_CLASS, NAMESPACE, Ingress, IngressClass, Key
from etpguard.objects.aws import INGRESS_CLASS_PARAMS, IngressClassParams, IngressClassParamsSpec

GROUP_ANNOTATION = f"{ALB}group.name"

PARAMS_NOT_READABLE = "IngressClassParamsNotReadable"

_GROUP = re.compile(r"([a-z0-9][-a-z0-9.]*)?[a-z0-9]")


class ClassConfig(Struct, frozen=True):
    """`params` are the parameters of the class, empty where it has none, and `name` is their name. `source` names
    the option of the controller that decided, "" where an API object did."""

    params: IngressClassParamsSpec = field(default_factory=IngressClassParamsSpec)
    source: str = ""
    name: str = ""


def class_config(ingress: Ingress, view: View, options: AwsOptions) -> ClassConfig | None:
    """The class or option by which the controller manages the Ingress; None if it does not manage it. Raises
    ModelError where the controller refuses the Ingress, and UnclearError where an object that decides cannot be
    read."""
    if ingress.deleting:
        return None
    legacy = ingress.annotations.get(CLASS_ANNOTATION)
    if legacy is not None:
        return _by_annotation(legacy, options)
    name = ingress.spec.ingress_class_name if ingress.spec else None
    found = _default_class(ingress, view, options) if name is None else _named_class(ingress, name, view)
    if found is not None and found.controller == AWS_LBC:
        reference = found.spec.parameters if found.spec else None
        return ClassConfig(_params(ingress, found, view), name=reference.name if reference else "")
    if found is not None:
        return None
    if name is None and options.ingress_class == "":
        return ClassConfig(source=options.described("ingress_class"))
    return None


def group_name(ingress: Ingress, params: IngressClassParamsSpec) -> str:
    """The name of the explicit group, "" for an Ingress with a load balancer for itself. The class parameters
    override the annotation (group_loader.go:233-255)."""
    if params.group and params.group.name:
        return params.group.name
    name = ingress.annotations.get(GROUP_ANNOTATION)
    if name is None:
        return ""
    if len(name) > 63 or not _GROUP.fullmatch(name):
        raise ModelError(
            "MalformedAnnotation",
            f"Ingress {ingress.key}, annotation {GROUP_ANNOTATION}: {name[:80]!r} is no group name",
        )
    return name


def meant_for_alb(ingress: Ingress) -> bool:
    """Whether the Ingress has an annotation of this controller, which EKS Auto Mode shares."""
    return any(key.startswith(ALB) for key in ingress.annotations)


def _by_annotation(value: str, options: AwsOptions) -> ClassConfig | None:
    """The configuration by the legacy annotation. It has priority: the controller then reads neither class nor
    parameters. With --ingress-class="" the controller also takes the value "alb"."""
    if value == options.ingress_class or (options.ingress_class == "" and value == "alb"):
        return ClassConfig(source=options.described("ingress_class"))
    return None


def _named_class(ingress: Ingress, name: str, view: View) -> IngressClass | None:
    if why := view.unread(INGRESS_CLASS):
        if not _may_be_its(ingress, usual_controller(name), view):
            return None
        raise UnclearError(
            "IngressClassNotReadable",
            f"etpguard cannot tell whether IngressClass {name} of Ingress {ingress.key} is the controller's: "
            f"{why}",
        )
    found = view.get(INGRESS_CLASS, Key("", name))
    if found is None and meant_for_alb(ingress):
        raise ModelError(
            "IngressClassNotFound",
            f"Ingress {ingress.key} names IngressClass {name}, which does not exist, so the controller refuses it",
        )
    return found


def _default_class(ingress: Ingress, view: View, options: AwsOptions) -> IngressClass | None:
    """The class that is annotated as the default (class_loader.go:54-94). Several defaults are an error."""
    if why := view.unread(INGRESS_CLASS):
        if options.ingress_class != "" and not _may_be_its(ingress, "", view):
            return None
        raise UnclearError(
            "IngressClassNotReadable",
            f"Ingress {ingress.key} names no class, and etpguard cannot tell whether the default one is the "
            f"controller's: {why}",
        )
    defaults = default_classes(view)
    if len(defaults) <= 1:
        return defaults[0] if defaults else None
    if any(c.controller == AWS_LBC for c in defaults) or meant_for_alb(ingress):
        names = ", ".join(sorted(c.metadata.name for c in defaults)[:5])
        raise ModelError(
            "SeveralDefaultIngressClasses",
            f"Ingress {ingress.key} names no class and {len(defaults)} are the default ({names}), so the "
            "controller refuses it",
        )
    return None


def _may_be_its(ingress: Ingress, usual: str, view: View) -> bool:
    """Whether the controller may manage an Ingress whose class cannot be read. It does not manage one without any
    of its annotations where the class has the `usual` name of another controller's class, on Google Cloud, or in
    files without a class."""
    if meant_for_alb(ingress) or usual == AWS_LBC:
        return True
    return not usual and GKE not in view.platforms and view.unread_is_unknown


def _params(ingress: Ingress, class_: IngressClass, view: View) -> IngressClassParamsSpec:
    """The parameters of the class: class_loader.go:96-149."""
    reference = class_.spec.parameters if class_.spec else None
    if reference is None:
        return IngressClassParamsSpec()
    if reference.api_group != "elbv2.k8s.aws" or reference.kind != "IngressClassParams":
        raise ModelError(
            "UnknownClassParameters",
            f"IngressClass {class_.metadata.name} refers to parameters of kind {reference.kind} "
            f"({reference.api_group or 'core'}), so the controller refuses its Ingresses",
        )
    params = view.get(INGRESS_CLASS_PARAMS, Key("", reference.name))
    if params is None and (why := view.unseen(INGRESS_CLASS_PARAMS)):
        raise UnclearError(
            PARAMS_NOT_READABLE,
            f"IngressClassParams {reference.name} of IngressClass {class_.metadata.name} cannot be read: {why}",
        )
    if params is None:
        raise ModelError(
            "IngressClassParamsNotFound",
            f"IngressClass {class_.metadata.name} refers to IngressClassParams {reference.name}, which do "
            "not exist, so the controller refuses its Ingresses",
        )
    _admit(ingress, params, view)
    return params.spec or IngressClassParamsSpec()


def _admit(ingress: Ingress, params: IngressClassParams, view: View) -> None:
    """Raise ModelError unless the namespaceSelector admits the labels of the Ingress's namespace."""
    selector = params.spec.namespace_selector if params.spec else None
    if selector is None or not selector.requirements:
        return
    namespace = view.get(NAMESPACE, Key("", ingress.key.namespace))
    if namespace is None:
        why = view.unread(NAMESPACE) or "the Namespace was not read"
        raise UnclearError(
            "NamespaceNotReadable",
            f"etpguard cannot tell whether the namespaceSelector of IngressClassParams {params.metadata.name} "
            f"admits namespace {ingress.key.namespace}: {why}",
        )
    if not selector.admits(namespace.labels):
        raise ModelError(
            "NamespaceNotSelected",
            f"the namespaceSelector of IngressClassParams {params.metadata.name} does not admit namespace "
            f"{ingress.key.namespace}, so the controller refuses Ingress {ingress.key}",
        )
