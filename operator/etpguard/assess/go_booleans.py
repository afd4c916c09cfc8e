"""The booleans of Go's strconv.ParseBool, by which most controllers read an annotation. Pure."""

from __future__ import annotations

BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
"""ParseBool rejects every other text."""
