"""The Azure load balancer (cloud-provider-azure) and the Application Gateway Ingress Controller."""

from etpguard.assess.consumers.families.azure.application_gateway import (
    AzureApplicationGateway as AzureApplicationGateway,
)
from etpguard.assess.consumers.families.azure.load_balancer import AzureLoadBalancer as AzureLoadBalancer
