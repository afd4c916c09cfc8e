"""Run as a script: becomes another program that the kernel kills when the process that started it is gone.

``python tied_to_parent.py PARENT_PID PROGRAM ARGUMENT…``. Linux only; elsewhere it just becomes the program.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>; kept across execve(2)

parent, program, *arguments = sys.argv[1:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it ended before the call above
        sys.exit(1)
os.execv(program, [program, *arguments])
