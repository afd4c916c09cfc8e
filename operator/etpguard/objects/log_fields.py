"""Fields of a log record, passed as `extra`; fields of the line with `--log-format=json`."""

from __future__ import annotations

from etpguard.objects.records import Key


def service_fields(service: Key, **fields: str) -> dict[str, str]:
    """The fields of a record about a Service: `namespace`, `service`, and for example `outcome` or `action`."""
    return {"namespace": service.namespace, "service": service.name, **fields}


def action_fields(action: str, **fields: str) -> dict[str, str]:
    """The fields of a record that concerns no Service and no single request: `action`, what etpguard does, and for
    example the `path` of an HTTP request."""
    return {"action": action, **fields}


def request_fields(verb: str, resource: str, namespace: str, **fields: str) -> dict[str, str]:
    """The fields of a record about a request to the API server: `action`, `resource`, and `namespace` if it has
    one."""
    return {"action": verb, "resource": resource, **({"namespace": namespace} if namespace else {}), **fields}
