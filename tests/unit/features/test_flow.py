"""Flows of investors on weeks that are written out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from atft_pipeline.features.families.investor_weeks import KINDS, REACH
from tests.unit.features.hand_made import Row, features, weekdays

MONDAY = date(2023, 6, 5)
THURSDAY = date(2023, 6, 15)
"""The week's publication, by the usual delay."""

DAY = timedelta(days=1)


def week(monday: date = MONDAY, section: str = "TSEPrime", published: date | None = None, **sides: object) -> Row:
    """A week of five sessions, published on the Thursday after; `Frgn=(30, 10)`: bought 30, sold 10. Others rest."""
    nothing: dict[str, object] = dict.fromkeys(KINDS, (0.0, 0.0))
    both = {who: side for who, side in (nothing | sides).items() if isinstance(side, tuple)}
    if "Tot" not in both:
        both["Tot"] = tuple(sum(side[i] for side in both.values()) for i in (0, 1))
    figures = {f"{who}{name}": float(side[i]) for who, side in both.items() for i, name in ((0, "Buy"), (1, "Sell"))}
    keys = {"PubDate": published or monday + 10 * DAY, "StDate": monday, "EnDate": monday + 4 * DAY}
    return {**keys, "Section": section, **figures}


def flow(day: date, rows: Sequence[Row], market: str | None = "0111") -> Mapping[str, float | None]:
    """The family's columns of one stock on one day."""
    stocks = [{"Code": "13010", "Mkt": market}]
    return features("flow", day, stocks=stocks, investor_types=rows).row(0, named=True)


def test_a_week_is_seen_on_the_session_after_its_publication() -> None:
    """Published on Thursday evening: unknown then, and on the week's own days; known on Friday."""
    rows = [week(Frgn=(30, 10))]
    for day in (MONDAY + 4 * DAY, THURSDAY - DAY, THURSDAY):
        assert set(flow(day, rows).values()) - {day, "13010"} == {None}
    seen = flow(THURSDAY + DAY, rows)
    assert seen["flow_foreign_net"] == pytest.approx(0.5)
    assert seen["flow_days_since"] == 0
    assert flow(THURSDAY + 4 * DAY, rows)["flow_days_since"] == 1


def test_the_figures_of_a_week_by_hand() -> None:
    """Foreigners 30 - 10, individuals 10 - 20, trusts 6 - 4 and 1 - 1, banks 0 - 5 of 87 in total."""
    row = flow(
        THURSDAY + DAY, [week(Frgn=(30, 10), Ind=(10, 20), TrstBnk=(6, 4), InvTr=(1, 1), Bank=(0, 5), Prop=(2, 2))]
    )
    assert row["flow_foreign_net"] == pytest.approx(20 / 40)
    assert row["flow_individual_net"] == pytest.approx(-10 / 30)
    assert row["flow_institution_net"] == pytest.approx(2 / 12)
    assert row["flow_smart_money"] == pytest.approx((20 + 2 + 10) / (40 + 12 + 30))
    assert row["flow_breadth"] == pytest.approx(2 / 11)
    assert row["flow_foreign_share"] == pytest.approx(40 / 91)
    assert row["flow_activity"] is None  # one week of 52
    assert row["flow_foreign_net_z_52"] is None
    assert row["flow_foreign_net_4"] is None  # one week of four


def test_windows_of_weeks_by_a_plain_definition() -> None:
    """Sixty weeks: four together, thirteen, and the z of the newest 52; activity by the session."""
    rng = np.random.default_rng(3)
    sides = rng.uniform(5, 15, (60, 4, 2))
    start = MONDAY - 59 * 7 * DAY
    rows = [
        week(start + 7 * i * DAY, Frgn=(f[0], f[1]), Ind=(n[0], n[1]), TrstBnk=(t[0], t[1]), InvTr=(v[0], v[1]))
        for i, (f, n, t, v) in enumerate(sides)
    ]
    row = flow(THURSDAY + DAY, rows)
    net, turnover = sides[..., 0] - sides[..., 1], sides.sum(axis=-1)

    def z(x: np.ndarray) -> float:
        return float((x[-1] - x[-52:].mean()) / x[-52:].std(ddof=1))

    smart = (net[:, 0] - net[:, 1] + net[:, 2] + net[:, 3]) / turnover.sum(axis=1)
    total = turnover.sum(axis=1)
    assert row["flow_foreign_net_4"] == pytest.approx(net[-4:, 0].sum() / turnover[-4:, 0].sum())
    assert row["flow_individual_net_4"] == pytest.approx(net[-4:, 1].sum() / turnover[-4:, 1].sum())
    assert row["flow_foreign_net_z_52"] == pytest.approx(z(net[:, 0] / turnover[:, 0]), rel=1e-5)
    assert row["flow_individual_net_z_52"] == pytest.approx(z(net[:, 1] / turnover[:, 1]), rel=1e-5)
    assert row["flow_smart_money_z_52"] == pytest.approx(z(smart), rel=1e-5)
    assert row["flow_smart_money_momentum"] == pytest.approx(smart[-4:].mean() - smart[-13:].mean(), rel=1e-4)
    assert row["flow_activity"] == pytest.approx(math.log(total[-1] / total[-52:].mean()), rel=1e-4)


def test_half_a_year_is_needed() -> None:
    """26 weeks give a z, 25 none; a series that never varies gives none either."""
    for n, there in ((25, False), (26, True)):
        rows = [week(MONDAY - 7 * i * DAY, Frgn=(10 + i % 3, 10), Ind=(5, 5)) for i in range(n)]
        row = flow(THURSDAY + DAY, rows)
        assert (row["flow_foreign_net_z_52"] is not None) == there
        assert (row["flow_activity"] is not None) == there
        assert row["flow_individual_net_z_52"] is None


def test_a_short_week_is_as_active_as_its_sessions() -> None:
    """Half of the turnover in half of the sessions is no change."""
    sessions = [day for day in weekdays() if day not in (MONDAY + 2 * DAY, MONDAY + 3 * DAY, MONDAY + 4 * DAY)]
    rows = [week(MONDAY - 7 * i * DAY, Frgn=(50, 50)) for i in range(1, 40)] + [week(Frgn=(20, 20))]
    frame = features("flow", THURSDAY + DAY, sessions=sessions, investor_types=rows)
    assert frame["flow_activity"].item() == pytest.approx(0, abs=1e-6)


def test_a_correction_counts_from_its_own_publication_on() -> None:
    """The week of two weeks ago is corrected on a Tuesday: seen from Wednesday, in the window too."""
    corrected = date(2023, 6, 20)
    before = [week(MONDAY - 7 * i * DAY, Frgn=(12 + i % 5, 10)) for i in range(1, 40)]
    first, second = week(Frgn=(30, 10)), week(published=corrected, Frgn=(10, 30))
    for order in ([first, second], [second, first]):
        rows = [*before, *order]
        assert flow(corrected, rows)["flow_foreign_net"] == pytest.approx(0.5)
        assert flow(corrected, rows) == flow(corrected, [*before, first])
        later = flow(corrected + DAY, rows)
        assert later["flow_foreign_net"] == pytest.approx(-0.5)
        only = flow(corrected + DAY, [*before, week(Frgn=(10, 30))])
        assert later["flow_foreign_net_z_52"] == only["flow_foreign_net_z_52"]
        assert later["flow_days_since"] == only["flow_days_since"] == 3  # a correction is no news of a week


def test_two_versions_that_come_before_one_session() -> None:
    """Published on Friday evening and on Saturday: on Monday the later one counts, in whatever order the rows lie."""
    rows = [week(published=THURSDAY + DAY, Frgn=(30, 10)), week(published=THURSDAY + 2 * DAY, Frgn=(10, 30))]
    for order in (rows, rows[::-1]):
        assert flow(THURSDAY + 4 * DAY, order)["flow_foreign_net"] == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("market", "sections"),
    [
        ("0101", ("TSE1st",)),
        ("0102", ("TSE2nd", "TSEJASDAQ")),
        ("0106", ("TSE2nd", "TSEJASDAQ")),
        ("0107", ("TSE2nd", "TSEJASDAQ")),
        ("0104", ("TSEMothers",)),
        ("0111", ("TSEPrime",)),
        ("0112", ("TSEStandard",)),
        ("0113", ("TSEGrowth",)),
    ],
)
def test_each_market_has_its_section(market: str, sections: tuple[str, ...]) -> None:
    """The yen of JASDAQ and of the Second Section are added; half of a pair is not yet known."""
    monday = date(2021, 6, 7) if market < "0110" else MONDAY
    names = (
        ("TSE1st", "TSE2nd", "TSEMothers", "TSEJASDAQ") if market < "0110" else ("TSEPrime", "TSEStandard", "TSEGrowth")
    )
    rows = [week(monday, name, Frgn=(10 * (i + 2), 10)) for i, name in enumerate((*names, "TokyoNagoya"))]
    bought = sum(10 * (names.index(name) + 2) for name in sections)
    sold = 10 * len(sections)
    day = monday + 11 * DAY
    assert flow(day, rows, market)["flow_foreign_net"] == pytest.approx((bought - sold) / (bought + sold))
    half = [row for row in rows if row["Section"] != sections[-1]]
    assert flow(day, half, market)["flow_foreign_net"] is None


def test_the_window_goes_on_through_the_renaming() -> None:
    """Thirty weeks of the First Section, twelve of Prime: one history of 42 weeks, and the z is of them all."""
    renamed = date(2022, 4, 4)
    ratio = [10 + 3 * math.sin(i) for i in range(42)]
    rows = [
        week(renamed + 7 * (i - 30) * DAY, "TSE1st" if i < 30 else "TSEPrime", Frgn=(ratio[i], 10)) for i in range(42)
    ]
    row = flow(renamed + (7 * 11 + 11) * DAY, rows)
    x = np.array([(b - 10) / (b + 10) for b in ratio])
    assert row["flow_foreign_net_z_52"] == pytest.approx((x[-1] - x.mean()) / x.std(ddof=1), rel=1e-5)


@pytest.mark.parametrize("market", [None, "-", "0109"])
def test_a_stock_without_a_section_gets_no_other_ones_figures(market: str | None) -> None:
    """Not the whole market's either: null, except for the days since the publication."""
    sections = ("TSEPrime", "TSEStandard", "TSEGrowth", "TokyoNagoya")
    row = flow(THURSDAY + DAY, [week(section=section, Frgn=(30, 10)) for section in sections], market)
    assert {name for name, value in row.items() if value is not None} == {"Date", "Code", "flow_days_since"}


def test_each_stock_has_the_figures_of_its_own_section() -> None:
    """Two sections on one day."""
    stocks = [{"Code": "13010", "Mkt": "0111"}, {"Code": "13050", "Mkt": "0113"}, {"Code": "13060", "Mkt": "0111"}]
    rows = [week(Frgn=(30, 10)), week(section="TSEGrowth", Frgn=(10, 30))]
    frame = features("flow", THURSDAY + DAY, stocks=stocks, investor_types=rows)
    assert frame["flow_foreign_net"].to_list() == [0.5, -0.5, 0.5]


def test_a_kind_that_is_not_published_is_unknown() -> None:
    """Not a kind that rests: the smart-money index needs its four, breadth counts the others."""
    row = dict(week(Frgn=(30, 10), Ind=(10, 20))) | {"TrstBnkBuy": None}
    found = flow(THURSDAY + DAY, [row])
    assert found["flow_smart_money"] is None
    assert found["flow_breadth"] == pytest.approx(1 / 10)
    assert found["flow_foreign_net"] == pytest.approx(0.5)


def test_an_old_week_is_forgotten() -> None:
    """A week that began more than 270 sessions ago is not the newest any more, and its age is not told either."""
    days = weekdays()
    at = days.index(MONDAY) + REACH
    rows = [week(Frgn=(30, 10))]
    assert flow(days[at], rows)["flow_foreign_net"] == pytest.approx(0.5)
    assert flow(days[at + 1], rows)["flow_foreign_net"] is None
    first = days.index(THURSDAY) + 1
    assert flow(days[first + 250], rows)["flow_days_since"] == 250
    assert flow(days[first + 251], rows)["flow_days_since"] is None


def test_a_table_without_the_optional_columns_is_read() -> None:
    """A file that has foreigners and individuals alone still gives what can be made of them."""
    frame = pl.DataFrame([week(Frgn=(30, 10), Ind=(10, 20))]).select(
        "PubDate", "StDate", "EnDate", "Section", "IndSell", "IndBuy", "FrgnSell", "FrgnBuy"
    )
    found = features("flow", THURSDAY + DAY, investor_types=frame.to_dicts())
    assert found["flow_individual_net"].item() == pytest.approx(-1 / 3)
    assert found["flow_foreign_share"].item() is None
