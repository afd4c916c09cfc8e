"""The AWS Load Balancer Controller: ALBs of Ingresses, NLBs of Services, load balancers of Gateways, and the
TargetGroupBindings behind them all."""

from etpguard.assess.consumers.families.aws_lbc.controller import AwsLoadBalancerController
from etpguard.assess.consumers.families.aws_lbc.options import (
    AwsOptions,
    options_from_arguments,
    options_from_deployment,
)

__all__ = ["AwsLoadBalancerController", "AwsOptions", "options_from_arguments", "options_from_deployment"]
