"""The console command `etpguard`, and `kubectl etpguard`."""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 and 1 are the command's to give, 2 is for what could not be done (one line
    on stderr), 130 for an interrupt."""
    import click

    from etpguard.cli.errors import Failure
    from etpguard.cli.main import cli
    from etpguard.cli.output.streams import complain

    # Closed by the caller, whom the exit code alone interests.
    sys.stdout = sys.stdout or io.TextIOWrapper(io.BytesIO())
    sys.stderr = sys.stderr or io.TextIOWrapper(io.BytesIO())
    try:
        code = cli.main(args=arguments, prog_name="etpguard", standalone_mode=False)
        print(end="", flush=True)
    except Failure as failure:
        complain(f"etpguard: {' '.join(str(failure).split())}")
        code = 2
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        code = 2
    except (KeyboardInterrupt, click.Abort):
        code = 130
    except (BrokenPipeError, SystemExit):
        # The reader of our output has seen enough, which click makes a SystemExit of. Python would complain when
        # it flushes at the end.
        sys.stdout = None
        code = 0
    except OSError as error:
        complain(f"etpguard: {error}")
        sys.stdout = None
        code = 2
    sys.exit(code)


def program() -> NoReturn:
    """The process of one command. It ends without taking apart what was read: a tenth of the time of a check.
    A fault of the program itself must not pass for the finding of a check, which is what 1 means: 2, too."""
    code: object = 2
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(each) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(each, _terminate)
    try:
        main()
    except SystemExit as end:
        code = end.code
    except Exception:
        with contextlib.suppress(OSError):
            traceback.print_exc()
    finally:
        atexit._run_exitfuncs()  # logs are closed, and files with credentials taken away
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                if stream:
                    stream.flush()
        os._exit(code if isinstance(code, int) else 2)


def _terminate(number: int, _: object) -> NoReturn:
    """Remove files with credentials, and end. `run` has its own handlers once it is started.

    An exception instead, as Python raises for SIGINT, can get lost in an import or a callback, with a lock taken:
    the process then waits for ever.
    """
    if files := sys.modules.get("etpguard.kube.credential_files"):
        files.remove_all()
    os._exit(128 + number)


if __name__ == "__main__":
    program()
