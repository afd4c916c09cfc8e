"""The annotations that the AWS cloud provider reads."""

from __future__ import annotations

PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
TYPE, TARGET_NODES = f"{PREFIX}type", f"{PREFIX}target-node-labels"
CHECK_PORT, CHECK_PROTOCOL, CHECK_PATH = (f"{PREFIX}healthcheck-{part}" for part in ("port", "protocol", "path"))
CROSS_ZONE = f"{PREFIX}cross-zone-load-balancing-enabled"
"""Off unless it is set: aws_loadbalancer.go."""
ATTRIBUTES = f"{PREFIX}target-group-attributes"
