"""Commands to copy: each changes a setting of a consumer where the controller reads it."""

from __future__ import annotations

import json

from etpguard.assess.consumers import remedies
from etpguard.assess.consumers.aws_lbc.annotations import ALB, NLB
from etpguard.assess.consumers.interface import Consumer
from etpguard.assess.consumers.remedies import kubectl
from etpguard.objects import Service


def is_nlb(consumer: Consumer) -> bool:
    return consumer.kind == "Service" or consumer.controller.endswith("/nlb")


def annotate(service: Service, consumer: Consumer, *pairs: str) -> str:
    """Annotations `suffix=value` on the Service, which go before the Ingress's; for an NLB on the Service that
    owns it."""
    nlb = consumer.kind == "Service"
    namespace, name = (consumer.namespace, consumer.name) if nlb else service.key
    annotations = (f"{NLB if nlb else ALB}{pair}" for pair in pairs)
    return kubectl("-n", namespace, "annotate", "service", name, "--overwrite", *annotations)


def patch_binding(consumer: Consumer, spec: object) -> str:
    where = ("-n", consumer.namespace, "patch", "targetgroupbinding", consumer.name)
    return kubectl(*where, "--type", "merge", "-p", json.dumps({"spec": spec}))


def arn(consumer: Consumer) -> str:
    where = ("-n", consumer.namespace, "get", "targetgroupbinding", consumer.name)
    return f'"$({kubectl(*where, "-o", "jsonpath={.spec.targetGroupARN}")})"'


def configuration(service: Service, settings: object) -> str:
    """A TargetGroupConfiguration, for Gateways."""
    return remedies.apply(
        {
            "apiVersion": "gateway.k8s.aws/v1beta1",
            "kind": "TargetGroupConfiguration",
            "metadata": {"namespace": service.key.namespace, "name": service.key.name},
            "spec": {"targetReference": {"name": service.key.name}, "defaultConfiguration": settings},
        }
    )
