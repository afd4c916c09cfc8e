"""The console command `etpguard`, and `kubectl etpguard`."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import click


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code.

    Commands return 0 or 1. Exit code 2 means that the command failed: one line on stderr says why. 130 means that
    the user interrupted it.
    """
    _open_closed_streams()
    sys.exit(_run(arguments))


def _open_closed_streams() -> None:
    """A caller that needs only the exit code may have closed the streams. Python then has None instead of them."""
    sys.stdout = sys.stdout or io.TextIOWrapper(io.BytesIO())
    sys.stderr = sys.stderr or io.TextIOWrapper(io.BytesIO())


def _run(arguments: Sequence[str] | None) -> int:
    import click

    from etpguard.cli.errors import Failure
    from etpguard.cli.main import cli
    from etpguard.cli.output.streams import complain

    try:
        code: int = cli.main(args=arguments, prog_name="etpguard", standalone_mode=False)
        print(end="", flush=True)
    except Failure as failure:
        complain(f"etpguard: {' '.join(str(failure).split())}")
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and (hint := _misplaced(error)):
            error = click.UsageError(f"{error.format_message()}{hint}", error.ctx)
        with contextlib.suppress(OSError):
            error.show()
    except (KeyboardInterrupt, click.Abort):
        return 130
    except (BrokenPipeError, SystemExit):
        # The reader has closed the pipe; click raises SystemExit for it. Without a stream, Python does not print
        # an error when it flushes at the end.
        sys.stdout = None
        return 0
    except OSError as error:
        complain(f"etpguard: {error}")
        sys.stdout = None
    else:
        return code
    return 2


def _misplaced(error: click.UsageError) -> str:
    """Where a word belongs that stands in the wrong place; "" for other mistakes."""
    import click

    context = error.ctx
    if isinstance(error, click.NoSuchOption) and context is not None and context.parent is None:
        return " Options follow the command, as in: etpguard check -n NAMESPACE"
    if context is not None and context.info_name == "check" and "extra argument" in error.message:
        return ". A file is -f FILE; for one Service: etpguard explain NAMESPACE/SERVICE"
    return ""


def kubectl_complete() -> None:
    """The program `kubectl_complete-etpguard`, which kubectl 1.26 and later ask for completions."""
    from etpguard.cli.completion import answer
    from etpguard.cli.main import cli

    print("\n".join(answer(cli, sys.argv[1:])))


def program() -> NoReturn:
    """Run one command as a process. A fault of the program exits with 2, because 1 means a finding of `check`."""
    code: object = 2
    for name in ("SIGTERM", "SIGHUP", "SIGINT"):
        each = getattr(signal, name, None)  # Windows has no SIGHUP
        if each is not None and signal.getsignal(each) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(each, _terminate)
    try:
        main()
    except SystemExit as end:
        code = end.code
    except Exception:
        import traceback

        with contextlib.suppress(OSError):
            traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                if stream:
                    stream.flush()
        _end(code if isinstance(code, int) else 2)


def _end(code: int) -> NoReturn:
    """Remove files with credentials, and end the process at once.

    A normal exit also takes apart what was read, which costs 17 % of the CPU time of a check of 2,000 Services
    (0.79 s against 1.01 s, median of 9 pairs). It would also wait for threads that still read.
    """
    if files := sys.modules.get("etpguard.kube.credential_files"):
        files.remove_all()
    os._exit(code)


def _terminate(number: int, _: object) -> NoReturn:
    """Handle a signal. `run` has its own handlers once it is started.

    Python raises an exception for SIGINT. Here that would not do: an exception can get lost in an import or in a
    callback that holds a lock. The process would then wait for ever.
    """
    _end(128 + number)


if __name__ == "__main__":
    program()
