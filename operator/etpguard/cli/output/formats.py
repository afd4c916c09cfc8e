"""The output formats of `etpguard check`, by the value of `-o`."""

from __future__ import annotations

TABLES = ("table", "wide")
STRUCTURED = ("json", "yaml")
"""The CoverageReport itself."""
FORMATS = (*TABLES, *STRUCTURED, "junit", "sarif", "markdown", "html")
