"""Commands to copy: each changes a setting of a consumer where the controller reads it."""

from __future__ import annotations

from collections.abc import Mapping

from etpguard.assess.consumers import changes
from etpguard.assess.consumers.changes import Step, kubectl
from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.aws_lbc.annotations import ALB, NLB
from etpguard.objects import Key, Service
from etpguard.objects.aws import INGRESS_CLASS_PARAMS, TARGET_GROUP_BINDING
from etpguard.objects.gateways import TARGET_GROUP_CONFIGURATION


def annotate(service: Service, consumer: Consumer, **values: str | None) -> Step:
    """Sets annotations of the Service, which override those of the Ingress. For an NLB, it annotates the Service
    that owns the NLB. The keywords are the suffixes of the annotations, with `_` for `-`; the value None removes
    an annotation."""
    nlb = consumer.kind == "Service"
    key = Key(consumer.namespace, consumer.name) if nlb else service.key
    prefix = NLB if nlb else ALB
    return changes.annotated(
        "Service", key, {prefix + name.replace("_", "-"): value for name, value in values.items()}
    )


def patch_binding(consumer: Consumer, spec: object) -> Step:
    key = Key(consumer.namespace, consumer.name)
    return changes.merge(TARGET_GROUP_BINDING.api_version, TARGET_GROUP_BINDING.name, key, spec)


def pod_targets_by_class(params: Key) -> Step:
    """Sets the target type in IngressClassParams."""
    kind, version = INGRESS_CLASS_PARAMS.name, INGRESS_CLASS_PARAMS.api_version
    return changes.merge(version, kind, params, {"targetType": "ip"})


def arn(consumer: Consumer) -> str:
    where = ("-n", consumer.namespace, "get", "targetgroupbinding", consumer.name)
    return f'"$({kubectl(*where, "-o", "jsonpath={.spec.targetGroupARN}")})"'


def configuration(
    service: Service,
    consumer: Consumer,
    settings: Mapping[str, object],
    only_new: Mapping[str, object] | None = None,
) -> Step:
    """Sets these settings in each TargetGroupConfiguration of the Service, and keeps all others; Gateways read it.
    Where there is none, it makes one, with `only_new` too. Where they cannot be read, it shows them."""
    namespace, name = service.key
    if consumer.configured_by is None:
        return Step(kubectl("-n", namespace, "get", TARGET_GROUP_CONFIGURATION.plural, "-o", "yaml"), ())
    kind, version = TARGET_GROUP_CONFIGURATION.name, TARGET_GROUP_CONFIGURATION.api_version
    if not consumer.configured_by:
        return changes.create(
            {
                "apiVersion": version,
                "kind": kind,
                "metadata": {"namespace": namespace, "name": name},
                "spec": {
                    "targetReference": {"name": name},
                    "defaultConfiguration": {**settings, **(only_new or {})},
                },
            }
        )
    spec = {"defaultConfiguration": settings}
    return both(*(changes.merge(version, kind, key, spec) for key in consumer.configured_by))


def both(*steps: Step) -> Step:
    """One step after the other."""
    done = tuple(each for step in steps if isinstance(step.change, tuple) for each in step.change)
    return Step(" && ".join(step.command for step in steps), done)
