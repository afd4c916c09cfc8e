"""The operator as a program. It begins to read the cluster before it loads most of its modules."""

from __future__ import annotations

import gc
import sys

from etpguard.app.heap import return_freed_memory
from etpguard.intake.early_lists import EarlyLists
from etpguard.kube.connection import Connection
from etpguard.kube.errors import KubeError
from etpguard.kube.lists import ListReader
from etpguard.settings import Settings

__all__ = ["run", "tune_interpreter"]

SWITCH_SECONDS = 0.0005
"""A thread that wants the interpreter gets it after this time. Measured beside a thread that decodes JSON,
against the default of 5 ms: a timer of the main loop fires 0.7 ms late instead of 5.5 ms (median of 300), and
40 MB are read over TLS in 0.6 s instead of 0.95 s."""


def tune_interpreter() -> None:
    sys.setswitchinterval(SWITCH_SECONDS)


def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code: 0 after a signal, 1 if a part of the operator failed, 2
    with one line on stderr for a bad kubeconfig, address, certificate or option of a controller."""
    tune_interpreter()
    return_freed_memory()
    # Little becomes garbage before the operator is ready. It turns the collector on again then.
    gc.disable()
    try:
        connection = Connection(settings.kubeconfig or None, settings.context or None)
    except KubeError as error:
        print(f"etpguard: {error}", file=sys.stderr)
        return 2
    early = EarlyLists(lambda: ListReader(connection))
    # These modules are loaded while the API server makes its first answers.
    from etpguard.app import process

    return process.run(settings, connection, early)
