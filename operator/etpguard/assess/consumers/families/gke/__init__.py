"""Google Cloud: Ingress, and passthrough load balancers."""
