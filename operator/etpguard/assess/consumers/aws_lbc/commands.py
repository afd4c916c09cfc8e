"""Commands to copy: each changes a setting of a consumer where the controller reads it."""

from __future__ import annotations

from etpguard.assess.consumers import changes
from etpguard.assess.consumers.aws_lbc.annotations import ALB, NLB
from etpguard.assess.consumers.changes import Step, kubectl
from etpguard.assess.consumers.consumer import Consumer
from etpguard.objects import Key, Service
from etpguard.objects.aws import TARGET_GROUP_BINDING


def is_nlb(consumer: Consumer) -> bool:
    return consumer.kind == "Service" or consumer.controller.endswith("/nlb")


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


def arn(consumer: Consumer) -> str:
    where = ("-n", consumer.namespace, "get", "targetgroupbinding", consumer.name)
    return f'"$({kubectl(*where, "-o", "jsonpath={.spec.targetGroupARN}")})"'


def configuration(service: Service, settings: object) -> Step:
    """Applies a TargetGroupConfiguration with these settings for the Service. Gateways read it."""
    return changes.apply(
        {
            "apiVersion": "gateway.k8s.aws/v1beta1",
            "kind": "TargetGroupConfiguration",
            "metadata": {"namespace": service.key.namespace, "name": service.key.name},
            "spec": {"targetReference": {"name": service.key.name}, "defaultConfiguration": settings},
        }
    )
