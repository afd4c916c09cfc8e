"""The patch that restores Local, for the operator and for `etpguard rollback`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from etpguard.kube import verbs
from etpguard.kube.errors import ApiError
from etpguard.objects import SERVICE, Service
from etpguard.remediate import patches
from etpguard.remediate.errors import Refused


async def restore_local(
    send: Callable[[verbs.Request], Awaitable[verbs.Json]], service: Service, port: int | None, manager: str
) -> tuple[verbs.Json, ApiError | None]:
    """Set Local and, on a Service of type LoadBalancer, the former healthCheckNodePort `port`. If the API server
    refuses this port, another one is allocated. Returns the Service as it is then, and the refusal of the port.

    Raises what `send` raises, and Refused where the Service does not have Local after the patch.
    """

    async def patch(wanted: int | None) -> verbs.Json:
        change = patches.to_local(service.uid, service.metadata.resource_version or "", wanted)
        return await send(verbs.json_patch(SERVICE, service.key, change, manager=manager))

    wanted, refusal = port if service.type == "LoadBalancer" else None, None
    try:
        answer = await patch(wanted)
    except ApiError as error:
        if wanted is None or not patches.port_refused(error.status, error.message):
            raise
        refusal = error
        answer = await patch(None)
    if (kept := patches.traffic_policy(answer)) != "Local":
        raise Refused(patches.not_carried_out(kept))
    return answer, refusal
