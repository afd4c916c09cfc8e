"""Runs `etpguard` and writes to FILE, every five seconds, how many blocks of memory Python has in use.

    python -m bench.counted_operator FILE ARGUMENT…

Resident memory depends on where the blocks lie, and moves by megabytes; the number of blocks only on what is held.
"""

from __future__ import annotations

import runpy
import sys
import threading
import time
from pathlib import Path

from etpguard.kube.heap import return_freed_memory

SECONDS = 5.0


def _count(file: Path) -> None:
    unfinished = file.with_suffix(".new")
    while True:
        unfinished.write_text(str(sys.getallocatedblocks()))
        unfinished.replace(file)
        time.sleep(SECONDS)


def main() -> None:
    file = Path(sys.argv.pop(1))
    return_freed_memory()  # as the operator itself does, before a thread starts
    threading.Thread(target=_count, args=(file,), daemon=True).start()
    runpy.run_module("etpguard", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
