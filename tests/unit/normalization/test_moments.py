"""Statistics per day, and the fold's affine that is fitted on them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft_pipeline.errors import ArtefactCorrupt, ContractError
from atft_pipeline.features.contract import CONTRACT
from atft_pipeline.normalization import Affine, date_moments, fit_affine, merge_moments
from atft_pipeline.normalization.affine import fit_affines
from atft_pipeline.normalization.moments import N_BINS, bin_edges

FEW = CONTRACT.select(["market", "cross_market"])
DAYS = [date(2021, 1, 4) + timedelta(days=i) for i in range(9)]


def table(seed: int = 0) -> pl.DataFrame:
    """Nine days of 3 to 11 stocks; a tenth of the stock cells null, market columns equal within a day."""
    rng = np.random.default_rng(seed)
    days = []
    for i, day in enumerate(DAYS):
        n = 3 + i
        columns = {}
        for c in FEW.columns:
            values = np.full(n, rng.normal()) if c.scope == "market" else rng.normal(size=n)
            values = np.abs(np.round(values)).clip(0, 1) if c.kind == "flag" else values
            if c.scope != "market":
                values[rng.random(n) < 0.1] = np.nan
            columns[c.name] = pl.Series(values.astype(np.float32)).fill_nan(None)
        days.append(pl.DataFrame({"Date": [day] * n, "Code": [f"{1300 + k}0" for k in range(n)], **columns}))
    return pl.concat(days)


def test_statistics_of_a_day_by_hand() -> None:
    """1, 3, null: mean 2, squared deviations 2, and two bins hit."""
    frame = table().head(3).with_columns(beta_20=pl.Series([1.0, 3.0, None], dtype=pl.Float32))
    row = date_moments(frame, FEW).filter(column="beta_20").row(0, named=True)
    low, high = FEW["beta_20"].valid_range
    expected = [int(N_BINS * (np.cbrt(x) - np.cbrt(low)) / (np.cbrt(high) - np.cbrt(low))) for x in (1, 3)]
    assert {key: row[key] for key in ("Date", "count", "null_count", "mean", "m2", "min", "max")} == {
        "Date": DAYS[0],
        "count": 2,
        "null_count": 1,
        "mean": 2.0,
        "m2": 2.0,
        "min": 1.0,
        "max": 3.0,
    }
    assert np.flatnonzero(row["histogram"]).tolist() == expected
    assert sum(row["histogram"]) == 2


def test_bins_ascend_over_the_range_and_take_what_lies_outside() -> None:
    """Every contract column: 64 bins; values out of range are counted in the outer ones."""
    for column in CONTRACT.columns:
        edges = bin_edges(column.valid_range)
        assert (np.diff(edges) > 0).all()
        np.testing.assert_allclose(edges[[0, -1]], column.valid_range, atol=1e-9)
    frame = table().head(3).with_columns(beta_20=pl.Series([-1e6, 1e6, 0.0], dtype=pl.Float32))
    histogram = date_moments(frame, FEW).filter(column="beta_20")["histogram"][0].to_list()
    assert (histogram[0], histogram[-1], sum(histogram)) == (1, 1, 3)


def test_a_day_without_values_is_counted() -> None:
    """All null: counts say so, the mean is null and merging ignores it."""
    frame = table().with_columns(pl.when(pl.col("Date") > DAYS[0]).then("alpha_1").alias("alpha_1"))
    stats = date_moments(frame, FEW).filter(column="alpha_1")
    first = stats.row(0, named=True)
    assert (first["count"], first["null_count"], first["mean"], first["min"]) == (0, 3, None, None)
    merged = merge_moments(stats, DAYS).row(0, named=True)
    assert merged["mean"] == pytest.approx(frame["alpha_1"].cast(pl.Float64).mean())
    assert merged["null_count"] == frame["alpha_1"].null_count()
    assert merge_moments(stats, DAYS[:1]).row(0, named=True)["mean"] is None


def test_rows_of_the_statistics() -> None:
    """One row per column and date, columns in the contract's order, whatever the order of the table."""
    frame = table()
    stats = date_moments(frame, FEW)
    assert stats["column"].unique(maintain_order=True).to_list() == list(FEW.names)
    assert stats.height == len(FEW.columns) * len(DAYS)
    assert date_moments(frame.sample(fraction=1.0, shuffle=True, seed=2), FEW).equals(stats)
    assert (stats["count"] + stats["null_count"]).sum() == frame.height * len(FEW.columns)


def test_months_are_read_apart_and_stand_side_by_side() -> None:
    """Days of two months give the rows of either month, each column's days in order."""
    later = table(seed=1).with_columns(pl.col("Date").dt.offset_by("1mo"))
    both = date_moments(pl.concat([later, table()]), FEW)
    of_column = [date_moments(part, FEW).filter(column=name) for name in FEW.names for part in (table(), later)]
    assert both.equals(pl.concat(of_column))


def test_unknown_dates_are_refused() -> None:
    """A training date without statistics would silently count for nothing."""
    stats = date_moments(table(), FEW)
    with pytest.raises(ContractError, match="1 of 2 have no statistics, the first 1999-01-01"):
        merge_moments(stats, [DAYS[0], date(1999, 1, 1)])
    with pytest.raises(ContractError, match="0 of 0"):
        fit_affine(stats, [], FEW)


def test_affine_weighs_each_session_once() -> None:
    """Days of 3 to 11 stocks: a mean over rows would lean to the later ones."""
    frame = table()
    affine = fit_affine(date_moments(frame, FEW), DAYS, FEW)
    by_day = frame.group_by("Date").agg(pl.col("topix_gap").first()).sort("Date")["topix_gap"].cast(pl.Float64)
    i = FEW.names.index("topix_gap")
    assert affine.center[i] == pytest.approx(by_day.mean(), rel=1e-6)
    assert affine.scale[i] == pytest.approx(by_day.std(ddof=0), rel=1e-6)
    for k, column in enumerate(FEW.columns):
        if column.kind != "time_series":
            assert (affine.center[k], affine.scale[k]) == (0, 1)


def test_test_dates_change_nothing_in_the_affine() -> None:
    """Poison every other date: the same bits."""
    frame, train = table(), [DAYS[i] for i in (0, 3, 4, 8)]
    poisoned = frame.with_columns(
        pl.when(pl.col("Date").is_in(train)).then(name).otherwise(pl.lit(1e9, dtype=pl.Float32)).alias(name)
        for name in FEW.names
    )
    one, other = (fit_affine(date_moments(f, FEW), train, FEW) for f in (frame, poisoned))
    assert one.center.tobytes() == other.center.tobytes()
    assert one.scale.tobytes() == other.scale.tobytes()
    everything = fit_affine(date_moments(poisoned, FEW), DAYS, FEW)
    assert one.center.tobytes() != everything.center.tobytes()


def test_affine_of_a_column_that_never_varied() -> None:
    """Scale 1, not 0: 0.1 in float32 has a rounding deviation that is no spread."""
    frame = table().with_columns(topix_gap=pl.lit(0.1, dtype=pl.Float32), topix_return_1=pl.lit(None, dtype=pl.Float32))
    affine = fit_affine(date_moments(frame, FEW), DAYS, FEW)
    gap, nothing = FEW.names.index("topix_gap"), FEW.names.index("topix_return_1")
    assert (affine.center[gap], affine.scale[gap]) == (np.float32(0.1), 1)
    assert (affine.center[nothing], affine.scale[nothing]) == (0, 1)
    assert affine.apply(np.full(len(FEW.columns), 0.1, dtype=np.float32))[gap] == 0


def test_affine_round_trip(tmp_path: Path) -> None:
    """Same values back, same bytes again; a broken file is named."""
    stats = date_moments(table(), FEW)
    affine = fit_affines(stats, {"fold_0": DAYS[:5]}, FEW)["fold_0"]
    affine.save(tmp_path)
    again = Affine.load(tmp_path)
    assert again.center.tobytes() == affine.center.tobytes()
    assert again.scale.tobytes() == affine.scale.tobytes()
    (file,) = tmp_path.iterdir()
    first = file.read_bytes()
    again.save(tmp_path)
    assert file.read_bytes() == first
    file.write_text("{}")
    with pytest.raises(ArtefactCorrupt, match=r"affine\.json"):
        Affine.load(tmp_path)


def test_affine_refuses_what_cannot_be_applied() -> None:
    """A scale of 0, a NaN, two lengths."""
    ones, two = np.ones(2, dtype=np.float32), np.ones(3, dtype=np.float32)
    for center, scale in ((ones, ones * 0), (ones * np.nan, ones), (ones, two)):
        with pytest.raises(ContractError, match="center"):
            Affine(center, scale)


def test_statistics_must_fit_the_contract() -> None:
    """Statistics of another contract lack columns."""
    stats = date_moments(table(), FEW)
    with pytest.raises(ContractError, match="lacks the columns kmid, klen"):
        fit_affine(stats, DAYS, CONTRACT)
