"""How many random cases a property test tries."""

from __future__ import annotations

import os

FEW = bool(os.environ.get("FEW_EXAMPLES"))
"""`.ci/pythons` sets it, since `make test` runs all examples with one Python."""


def examples(whole: int) -> int:
    """`whole`, or a tenth of it where few are enough."""
    return max(1, whole // 10) if FEW else whole
