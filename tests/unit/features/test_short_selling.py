"""Short selling of sectors and reported positions of stocks, on rows that are written out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pytest

from tests.unit.features.hand_made import Row, features, weekdays

DAYS = weekdays()
FIRST = 600
"""Place of the first row in most tests."""


def sold(at: int, s33: str = "3650", free: float = 10.0, rest: float = 30.0, long: float = 60.0) -> Row:
    """A sector's selling on session `at`; short 40%, a quarter of it free, unless given."""
    return {"Date": DAYS[at], "S33": s33, "SellExShortVa": long, "ShrtWithResVa": rest, "ShrtNoResVa": free}


def report(at: int, ratio: float | None, holder: str = "A", code: str = "13010", calc: int = 2, **more: object) -> Row:
    """A position disclosed on session `at`, of `calc` sessions earlier."""
    keys = {"DiscDate": DAYS[at], "CalcDate": DAYS[at - calc], "Code": code, "SSName": holder}
    return {**keys, "ShrtPosToSO": ratio, **more}


def sector(at: int, rows: Sequence[Row], s33: str = "3650") -> Mapping[str, float | None]:
    """Columns of one stock, no reports."""
    stocks = [{"Code": "13010", "S33": s33}]
    frame = features("short_selling", DAYS[at], stocks=stocks, short_ratio=rows, short_sale_report=[])
    return frame.row(0, named=True)


def positions(at: int, rows: Sequence[Row], code: str = "13010") -> Mapping[str, float | None]:
    """Columns of one stock; another stock has a report each year, so that the source is known to speak."""
    other = [report(i, 0.006, code="99990") for i in range(10, len(DAYS), 200)]
    stocks = [{"Code": code}]
    frame = features("short_selling", DAYS[at], stocks=stocks, short_ratio=[], short_sale_report=[*rows, *other])
    return frame.row(0, named=True)


def test_a_session_of_a_sector() -> None:
    """40 of 100 sold short, 10 of these 40 free of the rule; usable on the evening of the session itself."""
    row = sector(FIRST, [sold(FIRST), sold(FIRST, "5250", free=0)])
    assert row["sector_short_share"] == pytest.approx(0.4)
    assert row["sector_short_free"] == pytest.approx(0.25)
    assert row["sector_short_change_5"] is None


def test_yesterday_is_not_today() -> None:
    """A session without rows (2020-10-01) and another sector's rows say nothing of this one."""
    assert sector(FIRST + 1, [sold(FIRST)])["sector_short_share"] is None
    assert sector(FIRST - 1, [sold(FIRST)])["sector_short_share"] is None
    assert sector(FIRST, [sold(FIRST, "5250")])["sector_short_share"] is None
    assert sector(FIRST, [sold(FIRST)], s33="-")["sector_short_share"] is None
    assert sector(FIRST, [sold(FIRST, free=0, rest=0, long=0)])["sector_short_share"] is None


def test_windows_of_sessions() -> None:
    """Change, momentum and z against numpy; the session of the outage is left out of the means."""
    rng = np.random.default_rng(1)
    long = rng.uniform(40, 80, 80)
    rows = [sold(FIRST + i, long=float(long[i])) for i in range(80) if i != 70]
    share = 40 / (40 + long)
    known = np.where(np.arange(80) == 70, np.nan, share)
    row = sector(FIRST + 79, rows)
    assert row["sector_short_change_5"] == pytest.approx(share[79] - share[74], rel=1e-4)
    assert row["sector_short_momentum"] == pytest.approx(np.nanmean(known[75:]) - np.nanmean(known[60:]), rel=1e-4)
    window = known[20:]
    assert row["sector_short_z_60"] == pytest.approx(
        (share[79] - np.nanmean(window)) / np.nanstd(window, ddof=1), rel=1e-4
    )
    gap = sector(FIRST + 70, rows)
    assert gap["sector_short_share"] is gap["sector_short_z_60"] is None
    assert gap["sector_short_momentum"] is not None


def test_a_report_is_seen_on_the_session_after_its_disclosure() -> None:
    """17:30 is after the close; CalcDate, two sessions earlier, is nobody's knowledge."""
    rows = [report(FIRST, 0.008)]
    for at in (FIRST - 2, FIRST - 1, FIRST):
        assert positions(at, rows)["short_position"] == 0
        assert positions(at, rows)["short_report_days_since"] == 250
    seen = positions(FIRST + 1, rows)
    assert seen["short_position"] == pytest.approx(0.008)
    assert (seen["short_holders"], seen["short_report_days_since"]) == (1, 0)
    assert positions(FIRST + 8, rows)["short_report_days_since"] == 7


def test_holders_add_up_and_each_replaces_its_own() -> None:
    """A: .008 then .012; B .006; A for another fund .007: three holders of .025."""
    rows = [
        report(FIRST, 0.008),
        report(FIRST + 3, 0.006, "B"),
        report(FIRST + 4, 0.007, FundName="Fund"),
        report(FIRST + 5, 0.012),
    ]
    found = [positions(FIRST + i, rows) for i in (4, 5, 6, 9, 24, 25)]
    assert [row["short_position"] for row in found[:3]] == pytest.approx([0.014, 0.021, 0.025])
    assert [row["short_holders"] for row in found[:3]] == [2, 3, 3]
    assert found[3]["short_position_change_5"] == pytest.approx(0.025 - 0.014)
    assert found[4]["short_position_change_20"] == pytest.approx(0.025 - 0.014)
    assert found[5]["short_position_change_20"] == pytest.approx(0.025 - 0.021)


def test_the_same_holder_in_another_spelling() -> None:
    """Capitals, points, blanks and wide letters do not make a second holder."""
    rows = [report(FIRST, 0.008, "Sim Capital Co., Ltd."), report(FIRST + 1, 0.009, "ＳＩＭ CAPITAL  Co.,Ltd")]
    row = positions(FIRST + 2, rows)
    assert row["short_position"] == pytest.approx(0.009)
    assert row["short_holders"] == 1


def test_an_exit_ends_a_position() -> None:
    """A report below .005 says that nothing further will be reported; noise of binary fractions is no exit."""
    rows = [report(FIRST, 0.008), report(FIRST + 5, 0.0049)]
    row = positions(FIRST + 6, rows)
    assert (row["short_position"], row["short_holders"], row["short_report_days_since"]) == (0, 0, 0)
    assert positions(FIRST + 1, [report(FIRST, 0.005 - 1e-15)])["short_holders"] == 1


def test_two_reports_of_one_day() -> None:
    """Late and current: the later calculation counts, whatever the order of the rows."""
    rows = [report(FIRST, 0.009, calc=2), report(FIRST, 0.006, calc=4)]
    for order in (rows, rows[::-1]):
        assert positions(FIRST + 1, order)["short_position"] == pytest.approx(0.009)


def test_a_report_without_a_ratio_is_left_out() -> None:
    """The one before stands."""
    row = positions(FIRST + 6, [report(FIRST, 0.008), report(FIRST + 5, None)])
    assert row["short_position"] == pytest.approx(0.008)
    assert row["short_report_days_since"] == 5


def test_a_report_stands_for_250_sessions() -> None:
    """Then it is too old, and an old holder counts as gone."""
    rows = [report(FIRST, 0.008)]
    assert positions(FIRST + 251, rows)["short_position"] == pytest.approx(0.008)
    assert positions(FIRST + 252, rows)["short_position"] == 0
    assert positions(FIRST + 252, rows)["short_report_days_since"] == 250


def test_no_report_is_below_the_threshold_unless_the_source_is_silent() -> None:
    """0 where other stocks are reported on; null before the source's first report and a year after its last."""
    columns = ("short_position", "short_holders", "short_report_days_since")
    rows = [report(FIRST, 0.008, code="99990")]
    for at, expected in ((FIRST, None), (FIRST + 1, 0), (FIRST + 251, 0), (FIRST + 252, None)):
        frame = features("short_selling", DAYS[at], short_ratio=[], short_sale_report=rows)
        assert [frame[name].item() for name in columns] == [expected, expected, None if expected is None else 250]


def test_dates_are_sessions() -> None:
    """A disclosure on a Saturday is seen on Monday."""
    row = {**report(FIRST, 0.008), "DiscDate": date(2022, 6, 4)}
    assert positions(DAYS.index(date(2022, 6, 3)), [row])["short_position"] == 0
    assert positions(DAYS.index(date(2022, 6, 6)), [row])["short_report_days_since"] == 0
