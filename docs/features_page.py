"""docs/features.md, made from the contract and the measured lineage: `make features-page`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from atft_pipeline.features.contract import CONTRACT, Column
from atft_pipeline.features.lineage import recorded_lineage

PAGE = Path(__file__).with_name("features.md")


def page() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# The feature contract"
    yield ""
    yield f"{len(CONTRACT.columns)} columns in {len(CONTRACT.families)} families, version {CONTRACT.version}, hash"
    yield f"`{CONTRACT.hash}`. Made by `make features-page` from the columns as they are declared beside their"
    yield "functions. Inputs are measured: each was changed by itself (`tests/properties/test_column_lineage.py`)."
    yield ""
    yield "t is the row's session, a window of n ends at t, A_t is its AdjFactor. Values are stored raw, as float32;"
    yield "the cache normalizes them: robust_z and rank_gauss over the day's stocks, time_series over a fold's training"
    yield "dates, flag not at all. Null shares count rows of the universe after the warm-up."
    yield ""
    yield "| family | columns | warm-up, sessions | endpoints |"
    yield "|---|---:|---:|---|"
    for family in CONTRACT.families:
        part = CONTRACT.select([family])
        yield f"| [{family}](#{family}) | {len(part.columns)} | {part.warmup} | {', '.join(part.endpoints)} |"
    for family in CONTRACT.families:
        yield ""
        yield f"## {family}"
        yield ""
        rules = dict.fromkeys(column.as_of for column in CONTRACT.select([family]).columns)
        yield from (f"As of: {rule}" for rule in rules)
        yield ""
        yield "| column | formula | scope, normalization | range | nulls up to | differs on | warm-up | inputs |"
        yield "|---|---|---|---|---:|---:|---:|---|"
        yield from (_row(column) for column in CONTRACT.select([family]).columns)


def _row(column: Column) -> str:
    low, high = column.valid_range
    inputs = (f"{table}: {' '.join(names)}" for table, names in recorded_lineage()[column.name].items())
    differs = "-" if column.scope == "market" else f"{column.min_active_share:.1%} of days"
    cells = (
        f"`{column.name}`",
        column.formula.replace("|", "\\|"),
        f"{column.scope}, {column.kind}",
        f"{low:g} .. {high:g}",
        f"{column.max_null_share:.0%}",
        differs,
        f"{column.warmup}",
        "; ".join(inputs),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page())
