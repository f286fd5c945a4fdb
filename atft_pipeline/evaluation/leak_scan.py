"""Does a column know the future? What no honest signal reaches, on the day store that training reads.

Blindness to the future is proved on the code that makes a column (`tests/properties`); this looks at what came out, so
that a forward return that got among the inputs by another way cannot pass.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from atft_pipeline.cache.store import ArrowCache
from atft_pipeline.evaluation.metrics import ranks, unit_deviations
from atft_pipeline.features.contract import Contract

Array = NDArray[np.float64]

MAX_DAY_CORRELATION, MAX_SHARE_OF_DAYS = 0.5, 0.5
"""A Pearson correlation above the first on more than the second of the days. One day proves nothing: on real prices a
plain beta reached .91 on a day, and honest columns stood above .5 on up to a tenth of the days."""

ODD_RANK_IC, ODD_LOSS = 0.05, 0.8
"""A rank correlation above the first that loses this share of itself with one session's lag asks for a look."""

MIN_NAMES = 20
"""Names that a day must have to be judged."""

SCANNED_DAYS = 250
"""Sessions that are looked at, evenly spread."""


@dataclass(frozen=True)
class Suspect:
    """A column that may know the future.

    Attributes:
        column: name in the contract.
        target: forward return that it knows, such as `next_open_5`.
        what: which rule it breaks.
        value: what was measured.
        limit: what is allowed.
        blocking: whether this alone condemns it; otherwise a person should look.
    """

    column: str
    target: str
    what: str
    value: float
    limit: float
    blocking: bool


@dataclass(frozen=True)
class Strength:
    """How much a column tells of the forward return that it tells most of.

    Attributes:
        column: name in the contract.
        target: the forward return with the largest mean daily rank correlation in size.
        rank_ic: that correlation.
        lagged_rank_ic: the same with the column taken one session earlier.
        days_above: share of days with a Pearson correlation above `MAX_DAY_CORRELATION` in size.
    """

    column: str
    target: str
    rank_ic: float
    lagged_rank_ic: float
    days_above: float


@dataclass(frozen=True)
class LeakScan:
    """What a scan saw: `suspects`, the worst first, and the `strengths` of all judged columns, the strongest first.

    A column without spread on any judged day has no strength.
    """

    suspects: tuple[Suspect, ...]
    strengths: tuple[Strength, ...]


def scan_for_leaks(cache: ArrowCache, contract: Contract, days: Sequence[date], max_rank_ic: float) -> LeakScan:
    """Columns that agree with forward returns more than a signal can, and how much every column agrees with them.

    Blocking: a mean daily rank correlation above `max_rank_ic` in size, or a Pearson correlation above .5 in size on
    more than half of the days. Odd: a mean rank correlation above .05 that loses 80% of itself when the column is taken
    one session earlier. Columns of scope `market` do not differ between stocks and are not judged. A stock without the
    label is left out; an unknown input counts as the day's median.

    Args:
        cache: the day store: inputs as stored, returns of both entries.
        contract: of the cache.
        days: sessions to choose from; the cache's first one has none before it and is left out.
        max_rank_ic: what no honest column reaches.
    """
    judged = [i for i, column in enumerate(contract.columns) if column.scope != "market"]
    targets = [f"{entry}_{h}" for entry in (cache.layout.entry, "close") for h in cache.horizons]
    chosen = _spread([day for day in days if day != cache.days[0]])
    now, earlier, plain = (np.full((len(chosen), len(judged), len(targets)), np.nan) for _ in range(3))
    for d, day in enumerate(chosen):
        before, today = (_filled(inputs[:, judged].T) for inputs in cache.window(day, 2))
        was, is_there = cache.window_mask(day, 2)
        labels = np.hstack([cache.returns(day), cache.returns_close(day)]).astype(np.float64).T
        prepared: dict[bytes, tuple[Array, Array, Array]] = {}  # most targets are known for the same stocks
        for t, label in enumerate(labels):
            known = is_there & np.isfinite(label)
            both = known & was
            if np.count_nonzero(both) < MIN_NAMES:
                continue
            if known.tobytes() not in prepared:
                values = today[:, known]
                prepared[known.tobytes()] = (
                    unit_deviations(ranks(values)),
                    unit_deviations(ranks(before[:, both])),
                    unit_deviations(values),
                )
            ranks_now, ranks_before, values_now = prepared[known.tobytes()]
            now[d, :, t] = ranks_now @ unit_deviations(ranks(label[known]))
            earlier[d, :, t] = ranks_before @ unit_deviations(ranks(label[both]))
            plain[d, :, t] = values_now @ unit_deviations(label[known])
    names = [contract.columns[i].name for i in judged]
    above = np.where(np.isnan(plain), np.nan, np.abs(plain) > MAX_DAY_CORRELATION)
    measured = _mean(now), _mean(earlier), _mean(above)
    return LeakScan(_suspects(names, targets, *measured, max_rank_ic), _strengths(names, targets, *measured))


def _suspects(
    names: Sequence[str], targets: Sequence[str], rank_ic: Array, lagged: Array, above: Array, max_rank_ic: float
) -> tuple[Suspect, ...]:
    """Rules over what was measured [F, T]; NaN where no day was judged or a column had no spread."""
    found: list[Suspect] = []
    for c, name in enumerate(names):
        for t, target in enumerate(targets):
            ic, later, share = float(rank_ic[c, t]), float(lagged[c, t]), float(above[c, t])
            kept = (1.0 - ODD_LOSS) * abs(ic)
            if abs(ic) > max_rank_ic:
                found.append(Suspect(name, target, "mean daily rank correlation", ic, max_rank_ic, blocking=True))
            elif share > MAX_SHARE_OF_DAYS:
                what = f"share of days with a correlation above {MAX_DAY_CORRELATION}"
                found.append(Suspect(name, target, what, share, MAX_SHARE_OF_DAYS, blocking=True))
            elif abs(ic) > ODD_RANK_IC and later * np.sign(ic) < kept:
                what = f"rank correlation {ic:.3f} falls with one session's lag"
                found.append(Suspect(name, target, what, later, kept, blocking=False))
    return tuple(sorted(found, key=lambda suspect: (not suspect.blocking, -abs(suspect.value))))


def _strengths(
    names: Sequence[str], targets: Sequence[str], rank_ic: Array, lagged: Array, above: Array
) -> tuple[Strength, ...]:
    """Each column at its strongest target; arrays [F, T]."""
    size = np.nan_to_num(np.abs(rank_ic), nan=-1.0)  # below every correlation
    order = np.argsort(-size.max(axis=1), kind="stable")
    best = ((c, size[c].argmax()) for c in order if size[c].max() >= 0.0)
    return tuple(
        Strength(names[c], targets[t], float(rank_ic[c, t]), float(lagged[c, t]), float(above[c, t])) for c, t in best
    )


def _spread(days: Sequence[date]) -> list[date]:
    if not days:
        return []
    places = np.unique(np.linspace(0, len(days) - 1, min(SCANNED_DAYS, len(days))).astype(int))
    return [days[i] for i in places]


def _filled(inputs: NDArray[np.float32]) -> Array:
    """[F, C] with the column's median for NaN; 0 for a column without a value."""
    known = np.isfinite(inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the median of nothing
        middle = np.nan_to_num(np.nanmedian(np.where(known, inputs, np.nan), axis=1, keepdims=True))
    return np.where(known, inputs, middle).astype(np.float64)


def _mean(values: Array) -> Array:
    """Mean over days [D, ...] of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0))
