"""`etpguard verify`: the prediction for one Service, compared with real connections or a load balancer's view."""
