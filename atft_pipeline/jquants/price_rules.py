"""What no bar can be, and what a bar can be though it is odd.

A bar without a trade is null; some sources write zeros instead: such a bar (O, H, L, C and Vo all 0) is odd, and
features take its prices for null. A price of 0 beside a trade is an error.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from atft_pipeline.jquants.findings import Oddity

PRICES = ("O", "H", "L", "C")
ROUNDING = 1e-6
"""Prices that differ by less, relatively, are equal: files may hold 32-bit numbers."""

UNLIKELY_RETURN = 0.6
"""A close-to-close change beyond this without an AdjFactor may be a split that the file does not have."""


@dataclass(frozen=True)
class Rule:
    """Something that no row may be.

    Attributes:
        column: the column that is named.
        needs: columns without which the rule cannot be judged.
        broken: true for a row that breaks it.
        says: the row in words, with {column} for its values.
        limit: what would be right.
        remedy: what to do.
    """

    column: str
    needs: tuple[str, ...]
    broken: pl.Expr
    says: str
    limit: str
    remedy: str


_CORRECT = "Correct or remove the row; bars without a trade have null prices."


def price_rules(columns: list[str]) -> tuple[Rule, ...]:
    """Rules for bars of stocks and of an index that has the given columns."""
    rules = [_not_positive(column, dead=_is_dead(columns)) for column in PRICES]
    upside_down = pl.col("H") < pl.col("L") * (1 - ROUNDING)
    rules.append(Rule("H", ("H", "L"), upside_down, "H {H} is below L {L}", "H must be at least L", _CORRECT))
    rules += [_not_negative(column) for column in ("Vo", "Va")]
    factor = pl.col("AdjFactor") <= 0
    remedy = "Write 1 on days without a split, 0.5 for 1:2."
    rules.append(Rule("AdjFactor", ("AdjFactor",), factor, "{AdjFactor}", "a factor must be above 0", remedy))
    return tuple(rule for rule in rules if set(rule.needs) <= set(columns))


def bar_oddities(bars: pl.DataFrame) -> list[Oddity]:
    """Odd but usable bars, counted.

    No price, no volume, zeros instead of nulls, no factor, O or C outside L to H, a possible split.

    Args:
        bars: typed rows of daily_bars.
    """
    counts = {
        "rows without a price (no trade)": pl.any_horizontal(pl.col(*PRICES).is_null()),
        "rows with a price and no volume": (pl.col("Vo") == 0) & (pl.col("C") > 0),
        "rows of zeros for a day without a trade, taken for null": _is_dead(bars.columns) & (pl.col("C") == 0),
        "rows without an AdjFactor, taken for 1": pl.col("AdjFactor").is_null(),
        "rows with O or C outside L to H": _outside_range("O") | _outside_range("C"),
    }
    found = bars.select(expression.sum().alias(says) for says, expression in counts.items()).row(0, named=True)
    oddities = [Oddity(says, count) for says, count in found.items() if count]
    return [*oddities, *_possible_splits(bars)]


def _possible_splits(bars: pl.DataFrame) -> list[Oddity]:
    """Changes of the close beyond `UNLIKELY_RETURN` from the last trade before it, with no factor in between."""
    factor = pl.col("AdjFactor").fill_null(1.0)
    close = pl.when(pl.col("C") > 0).then("C")
    code = pl.col("Code").cast(pl.Categorical).to_physical().cast(pl.Int64)
    same = pl.col("code") == pl.col("code").shift(1)
    jumps = (
        bars.select("Date", "Code", code=code, close=close, factor=factor)
        .filter(pl.col("close").is_not_null() | (pl.col("factor") != 1))  # a factor on a day without a trade counts
        .sort(pl.col("code") * 2**32 + pl.col("Date").to_physical().fill_null(-(2**31)))  # by one number: twice as fast
        .with_columns(change=pl.when(same).then(pl.col("close") / pl.col("close").shift(1) - 1))
        .filter((pl.col("change").abs() > UNLIKELY_RETURN + ROUNDING) & (pl.col("factor") == 1))
        .sort("Date", "Code")
    )
    if jumps.is_empty():
        return []
    first = jumps.row(0, named=True)
    says = f"changes of more than {UNLIKELY_RETURN:.0%} from the trade before, without an AdjFactor (a split missing?)"
    return [Oddity(says, jumps.height, f"{first['Code']} on {first['Date']}: {first['change']:+.0%}")]


def _is_dead(columns: list[str]) -> pl.Expr:
    """All prices and the volume are 0 or null; never for an index, which has no volume."""
    if "Vo" not in columns:
        return pl.lit(value=False)
    return pl.all_horizontal(pl.col(column).fill_null(0.0) == 0 for column in (*PRICES, "Vo"))


def _not_positive(column: str, dead: pl.Expr) -> Rule:
    broken = (pl.col(column) <= 0) & ~dead
    return Rule(column, (column,), broken, f"{column} is {{{column}}}", "a price must be above 0", _CORRECT)


def _not_negative(column: str) -> Rule:
    broken = pl.col(column) < 0
    return Rule(column, (column,), broken, f"{column} is {{{column}}}", "it must be at least 0", "Correct the row.")


def _outside_range(column: str) -> pl.Expr:
    low, high, price = pl.col("L") * (1 - ROUNDING), pl.col("H") * (1 + ROUNDING), pl.col(column)
    return (price < low) | (price > high)
