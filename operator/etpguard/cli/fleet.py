"""Several clusters in one report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from etpguard.cli.errors import Failure
from etpguard.cli.reading import ClusterReport, Reading
from etpguard.kube import kubeconfig
from etpguard.kube.errors import KubeError

TOGETHER = 4
"""How many clusters are read at the same time. Each has up to eight connections."""


def all_contexts(path: str) -> tuple[str, ...]:
    """The names of all contexts of the kubeconfig, sorted. Raises Failure."""
    try:
        return kubeconfig.context_names(kubeconfig.paths(path or None))
    except KubeError as error:
        raise Failure(str(error)) from None


def read_all(contexts: Sequence[str], read: Callable[[str], ClusterReport]) -> Reading:
    """Call `read` for each context, several at the same time. Raises Failure only if all of them fail."""
    with ThreadPoolExecutor(TOGETHER, thread_name_prefix="cluster") as threads:
        pending = {context: threads.submit(read, context) for context in contexts}
    failed = {context: why for context, each in pending.items() if (why := _failure(each))}
    if len(failed) == len(pending):
        raise Failure("; ".join(f"{context}: {why}" for context, why in failed.items()))
    return Reading(
        [each.result() for context, each in pending.items() if context not in failed], failed, fleet=True
    )


def _failure(ended: Future[ClusterReport]) -> str:
    """Why it failed; "" if it did not. Even a fault of the program in one cluster does not hide the others."""
    error = ended.exception()
    if error is None or isinstance(error, Failure):
        return str(error or "")
    return f"{type(error).__name__}: {error}"
