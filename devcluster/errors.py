"""The errors of the package; each message is one line that names what failed."""

from __future__ import annotations


class DevclusterError(Exception):
    """Anything that devcluster itself reports."""


class MissingToolError(DevclusterError):
    """This machine lacks a tool and cannot get it: a test that needs it is skipped, or fails under ``CI=true``."""


class StartError(DevclusterError):
    """A program of the control plane ended or did not become ready; the message has the end of its log."""


class KubectlError(DevclusterError):
    """kubectl exited with a non-zero code."""

    def __init__(self, arguments: tuple[str, ...], code: int, stdout: str, stderr: str) -> None:
        super().__init__(f"kubectl {' '.join(arguments)}: exit {code}: {stderr.strip()}")
        self.code = code
        self.stdout = stdout
        self.stderr = stderr


class ApiError(DevclusterError):
    """The API server answered a request of a helper with an error."""
