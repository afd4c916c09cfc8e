"""The command line of a checkout, this one or another that is compared with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent.parent


@dataclass(frozen=True)
class Checkout:
    name: str
    python: str
    root: Path

    @classmethod
    def at(cls, name: str, root: Path) -> Checkout:
        """With the environment of its own uv.lock, which this makes if there is none. Raises RuntimeError."""
        uv = os.environ.get("UV") or shutil.which("uv")
        if uv is None:
            raise RuntimeError("uv is not installed")
        command = [uv, "run", "--quiet", "--locked", "--project", str(root), "python"]
        environment = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
        run = subprocess.run(
            [*command, "-c", "import sys; print(sys.executable)"],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            raise RuntimeError(f"{root}: no environment: {run.stderr.strip()}")
        return cls(name, run.stdout.strip(), root.resolve())

    @property
    def env(self) -> dict[str, str]:
        """Before the installed package, which may be that of another checkout."""
        return {"PYTHONPATH": str(self.root / "operator")}

    def etpguard(self, *arguments: str) -> list[str]:
        return [self.python, "-m", "etpguard", *arguments]
