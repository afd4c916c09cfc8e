"""Fields of a log record about a Service, passed as `extra`; fields of the line with `--log-format=json`."""

from __future__ import annotations

from etpguard.objects.records import Key


def service_fields(service: Key, **fields: str) -> dict[str, str]:
    """`namespace`, `service`, and for example `outcome` or `action`."""
    return {"namespace": service.namespace, "service": service.name, **fields}
