"""What each disclosure says in the light of those before it: growth, trailing years, progress, revisions, surprises.

Every figure is made when a row becomes known, from that row and rows known by then; a row is looked back to for at
most 330 sessions (15 months). A row about an older period than one that is known already, such as a late correction,
is not the company's newest result; results after it are compared with the corrected figures.
"""

from __future__ import annotations

import polars as pl

LOOK_BACK = 330
"""Sessions between a row and one that it is compared with: 15 months, so that a year-old result is always in."""

SHORT_LOOK_BACK = 250
"""The same for what stands longer than a result: it keeps the warm-up of all columns alike."""

SAME_PERIOD = ["Code", "kind", "begin", "end"]


def growth(new: pl.Expr, old: pl.Expr) -> pl.Expr:
    """`2 (new - old) / (|new| + |old|)`, -2..2: a growth rate that is bounded across zero; 0 if both are 0."""
    size = new.abs() + old.abs()
    return pl.when(size > 0).then(2.0 * (new - old) / size).when(size == 0).then(0.0)


def results(rows: pl.DataFrame) -> pl.DataFrame:
    """Results that are the company's newest when they become known, beside what they are compared with.

    Adds, for sales, op, np and eps: `*_before` of the same span a year before, `*_full` of the full year before, and
    `*_year` of the trailing 12 months: the full year itself, or full year before + now - a year before.
    """
    figures = ("sales", "op", "np", "eps")
    told = rows.filter(
        pl.any_horizontal(pl.col("sales", "op", "np").is_not_null()), pl.col("begin") < pl.col("end")
    )  # forecasts have no figures here
    year_before = told.with_columns(pl.col("begin") + 12, pl.col("end") + 12)
    ended = told.filter(pl.col("end") - pl.col("begin") == 12)
    full_year = ended.with_columns(begin=pl.col("end"))  # it ended where the year after it begins
    now = _join_earlier(newest(told), year_before, SAME_PERIOD, figures, "before")
    now = _join_earlier(now, full_year, ["Code", "kind", "begin"], figures, "full")
    whole = pl.col("end") - pl.col("begin") == 12
    return now.with_columns(
        pl.when(whole)
        .then(pl.col(name))
        .otherwise(pl.col(f"{name}_full") + pl.col(name) - pl.col(f"{name}_before"))
        .alias(f"{name}_year")
        for name in figures
    )


def newest(told: pl.DataFrame, within: int = LOOK_BACK) -> pl.DataFrame:
    """Rows about the latest period that became known on their session, or up to `within` sessions before."""
    latest = pl.col("end").rolling_max_by("u", window_size=f"{within + 1}i").over("Code")
    return told.filter(pl.col("end") >= latest)


def forecasts(rows: pl.DataFrame) -> pl.DataFrame:
    """Forecasts of a full year, in the order in which they became known: Code, usable, u, order, source, year, op, eps.

    A row may hold the year's forecast and the next year's; the later year counts as the newer.
    """
    keys = ("Code", "usable", "u", "order")
    this = rows.select(*keys, "year", source="f_source", op="f_op", eps="f_eps")
    following = rows.select(*keys, year="next_year", source="n_source", op="n_op", eps="n_eps")
    both = pl.concat([this, following.select(this.columns)])
    return both.filter(pl.any_horizontal(pl.col("op", "eps").is_not_null()), pl.col("year").is_not_null()).sort(
        "order", "year"
    )


def revisions(told: pl.DataFrame, figure: str) -> pl.DataFrame:
    """Growth of the newest forecast from the one before of the same year; 0 if it is the first or repeats it."""
    known = told.filter(pl.col(figure).is_not_null())
    of_the_year = ["Code", "year", "source"]
    before = pl.col(figure).shift(1).over(of_the_year)
    age = pl.col("u") - pl.col("u").shift(1).over(of_the_year)
    change = growth(pl.col(figure), before)
    return known.with_columns(revision=pl.when(age <= LOOK_BACK).then(change).otherwise(0.0))


def progress(told: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    """Share of the forecast that is reached, over the usual share, at each result and each forecast.

    `OP / FOP - usual`, FOP the newest forecast of the year that the newest result is of; null unless FOP > 0. Usual is
    the share of the year before (0..1, if that year's OP was positive), else the share of the year's months.
    `since` is the place in the panel of the session from which the result is known.
    """
    whole = pl.col("end") == pl.col("year")
    usual = pl.col("op_before") / pl.when(pl.col("op_full") > 0).then(pl.col("op_full"))
    months = (pl.col("end") - pl.col("begin")) / (pl.col("year") - pl.col("begin"))
    share = pl.when(whole).then(1.0).when(usual.is_between(0.0, 1.0)).then(usual).otherwise(months)
    reached = told.select("Code", "u", "order", "year", "source", "op", usual=share, since="u")
    known = expected.filter(pl.col("op").is_not_null())
    events = pl.concat([frame.select("Code", "usable", "u", "order") for frame in (told, known)])
    events = events.unique("order").sort("order")
    events = _join_earlier(events, reached, ["Code"], ("year", "source", "op", "usual", "since"), "now", itself=True)
    events = events.rename({"year_now": "year", "source_now": "source", "since_now": "since"})
    events = _join_earlier(events, known, ["Code", "year", "source"], ("op",), "forecast", itself=True)
    forecast = pl.when(pl.col("op_forecast") > 0).then(pl.col("op_forecast"))
    return events.with_columns(progress=pl.col("op_now") / forecast - pl.col("usual_now"))


def surprises(rows: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    """Full-year EPS minus the last forecast of it that was known before."""
    told = newest(rows.filter(pl.col("eps").is_not_null(), pl.col("end") == pl.col("year")), SHORT_LOOK_BACK)
    known = expected.filter(pl.col("eps").is_not_null())
    told = _join_earlier(told, known, ["Code", "year", "source"], ("eps",), "forecast", within=SHORT_LOOK_BACK)
    return told.with_columns(surprise=pl.col("eps") - pl.col("eps_forecast")).filter(pl.col("surprise").is_not_null())


def accruals(rows: pl.DataFrame) -> pl.DataFrame:
    """`(NP - CFO) / TA * 12 / months` of the newest row with a cash flow, which stands in consolidated rows alone."""
    known = pl.all_horizontal(pl.col("np", "CFO", "ta").is_not_null())
    told = rows.filter(known, pl.col("source") == "group", pl.col("ta") > 0, pl.col("begin") < pl.col("end"))
    told = newest(told, SHORT_LOOK_BACK)
    months = pl.col("end") - pl.col("begin")
    return told.with_columns(accruals=(pl.col("np") - pl.col("CFO")) / pl.col("ta") * 12.0 / months)


def _join_earlier(
    rows: pl.DataFrame,
    others: pl.DataFrame,
    by: list[str],
    figures: tuple[str, ...],
    suffix: str,
    *,
    within: int = LOOK_BACK,
    itself: bool = False,
) -> pl.DataFrame:
    """Figures, as `figure_suffix`, of the last of the others that was known before each row and agrees with it in `by`.

    Null if it became known more than `within` sessions before the row. With `itself` the same disclosure counts too.
    """
    names = {name: f"{name}_{suffix}" for name in figures}
    found = rows.sort("order").join_asof(
        others.sort("order").select(*by, "order", _u="u", **{new: old for old, new in names.items()}),
        on="order",
        by=by,
        strategy="backward",
        allow_exact_matches=itself,
        check_sortedness=False,
    )
    recent = pl.col("u") - pl.col("_u") <= within
    return found.with_columns(pl.when(recent).then(pl.col(new)).alias(new) for new in names.values()).drop("_u")
