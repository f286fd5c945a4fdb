"""What a check tells on its page, read back for tests."""

from __future__ import annotations

import dagster as dg


def told(result: dg.AssetCheckResult, name: str) -> list[dict[str, str]]:
    """Rows of a table of the check's metadata, every cell as its text; no row where the check shows no such table."""
    if name not in result.metadata:
        return []
    head, _, *rows = [_cells(line) for line in str(result.metadata[name].value).splitlines()]
    return [dict(zip(head, row, strict=True)) for row in rows]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
