"""Keeps the memory of a process that runs for months from growing with each list that it reads."""

from __future__ import annotations

import ctypes

_ARENA_MAX, _TRIM_THRESHOLD, _MMAP_THRESHOLD = -8, -1, -3
"""Parameters of mallopt(3), from malloc.h of glibc."""
_SETTINGS = ((_ARENA_MAX, 1), (_TRIM_THRESHOLD, 128 * 1024), (_MMAP_THRESHOLD, 64 * 1024))


def return_freed_memory() -> bool:
    """Have glibc return freed blocks to the kernel: one heap for all threads, fixed thresholds. Call it before any
    thread starts. False if the C library has no mallopt (musl, macOS).

    By default each thread gets its own heap, and small blocks that stay keep the memory of a whole list. Measured
    with two replicas side by side whose connections were cut nine times in twelve minutes: 132 MB instead of
    152 MB at the end, and 4 MB of growth after the second cut instead of 11 MB, with the same CPU.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all(mallopt(parameter, value) == 1 for parameter, value in _SETTINGS)
