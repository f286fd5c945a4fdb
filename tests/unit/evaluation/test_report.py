"""The report: every model is in it, nothing is fetched, equal inputs give equal bytes."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

from atft_pipeline.evaluation.evaluate import Evaluation, evaluate
from atft_pipeline.evaluation.fold_table import FoldTable
from atft_pipeline.evaluation.report import ReportExtras, render_report
from atft_pipeline.evaluation.report_text import number, verdict
from atft_pipeline.sections import FoldSettings
from tests.unit.evaluation.builders import days, long_table, predictions_table, settings, targets_table

MODELS = ("atft_gat_fan", "ridge", "reversal", "minus_volatility")


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    random = np.random.default_rng(9)
    returns = {h: random.standard_normal((50, 30)) for h in (1, 5)}
    scores = {model: returns[5] + 3 * i + random.standard_normal((50, 30)) for i, model in enumerate(MODELS)}
    predictions = predictions_table(scores, n_folds=2)
    predictions = predictions.with_columns(
        fold=pl.when(pl.col("Date") >= days(45)[-1]).then(pl.lit("holdout")).otherwise("fold")
    )
    volatility = long_table(np.abs(random.standard_normal((50, 30))), "volatility")
    return evaluate(predictions, targets_table(returns), volatility, settings())


@pytest.fixture(scope="module")
def extras() -> ReportExtras:
    sessions = days(120)
    folds = FoldSettings(n_folds=2, horizon=5, embargo=5, holdout=10)
    return ReportExtras(
        fold_table=FoldTable.build(sessions, sessions[:-5], folds),
        history=pl.DataFrame(
            {"fold": ["fold_0"] * 2, "epoch": [0, 1], "train_loss": [3.0, 2.5], "validation_rank_ic": [0.01, 0.02]}
        ),
        selection=pl.DataFrame({"family": ["technical", "market"], "weight": [0.7, 0.3]}),
        top_names=pl.DataFrame(
            {"Date": days(2), "Code": ["13010", "13020"], "name": ["A <b> & Co", None], "score": [1.5, -0.25]}
        ),
        notes=["Only stocks that were still listed at the end."],
    )


class Reader(HTMLParser):
    """Collects tags, addresses and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]

    def handle_data(self, data: str) -> None:
        self.text.append(data.strip())


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def test_every_model_part_and_note_is_shown(evaluation: Evaluation, extras: ReportExtras) -> None:
    reader = read(render_report(evaluation, extras))
    text = "\n".join(reader.text)
    for expected in (*MODELS, "Holdout", "Cumulative RankIC", "Return by score decile", "RankIC by fold", "Folds"):
        assert expected in text
    for expected in ("Training", "Feature families", "Highest scores of 2024-01-01", "13010", *extras.notes):
        assert expected in text
    assert reader.tags.count("svg") == 6


def test_what_a_reader_must_know_of_the_source_stands_above_every_figure(
    evaluation: Evaluation, extras: ReportExtras
) -> None:
    page = render_report(evaluation, extras)
    for note in extras.notes:
        assert page.index(note) < page.index('<dl class="tiles">') < page.index("<table>")


def test_the_model_comes_first_and_ridge_beside_it(evaluation: Evaluation, extras: ReportExtras) -> None:
    text = read(render_report(evaluation, extras)).text
    table = text[text.index("Out of fold") :]
    order = [table.index(model) for model in ("atft_gat_fan", "ridge", "minus_volatility", "reversal")]
    assert order == sorted(order)


def test_nothing_is_fetched_and_nothing_runs(evaluation: Evaluation, extras: ReportExtras) -> None:
    page = render_report(evaluation, extras)
    reader = read(page)
    assert all(address.startswith("#") for address in reader.addresses)
    assert not {"script", "link", "iframe", "img", "object", "form"} & set(reader.tags)
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\((?!#)", page)


def test_names_are_escaped(evaluation: Evaluation, extras: ReportExtras) -> None:
    page = render_report(evaluation, extras)
    assert "A &lt;b&gt; &amp; Co" in page
    assert "<b>" not in page


def test_equal_inputs_give_equal_bytes(evaluation: Evaluation, extras: ReportExtras) -> None:
    assert render_report(evaluation, extras) == render_report(evaluation, extras)


def test_plots_follow_the_colours_of_the_page(evaluation: Evaluation, extras: ReportExtras) -> None:
    page = render_report(evaluation, extras)
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert "var(--series-0)" in drawn
    assert not re.search(r"(fill|stroke): #[0-9a-f]{6}", drawn)


def test_parts_that_are_not_given_are_left_out(evaluation: Evaluation) -> None:
    page = render_report(evaluation, ReportExtras())
    assert "Feature families" not in page
    assert "Highest scores" not in page
    assert "How it was made" not in page
    assert read(page).tags.count("svg") == 3


def test_figures_of_the_table_are_those_of_the_summary(evaluation: Evaluation) -> None:
    summary = evaluation.summary.filter(
        pl.col("model") == "ridge",
        pl.col("horizon") == 5,
        pl.col("entry") == "next_open",
        pl.col("flagged") == "included",
        pl.col("fold") == "out_of_fold",
    )
    text = read(render_report(evaluation, ReportExtras())).text
    cells = [cell for cell in text[text.index("Out of fold") :] if cell]
    start = cells.index("ridge")
    assert cells[start + 1] == number(summary["rank_ic"][0])
    assert cells[start + 9] == number(summary["sharpe_gross"][0], 2)
    assert cells[start + 10] == number(summary["sharpe_net"][0], 2)


def test_verdict_says_whether_the_interval_leaves_zero_out(evaluation: Evaluation) -> None:
    assert "above zero" in verdict(evaluation)
    assert "Ridge on the same inputs reaches" in verdict(evaluation)


def test_numbers_are_readable() -> None:
    assert number(-0.0312) == "−0.031"
    assert number(None) == "–"
    assert number(float("nan")) == "–"
    assert number(-0.0001) == "0.000"
    assert number(1.234, 2) == "1.23"
