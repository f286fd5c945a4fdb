"""The contract: complete, named well, hashed over everything it says."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

from atft_pipeline.errors import ContractError
from atft_pipeline.features.contract import CONTRACT, FEATURES, Contract
from tests.market import PRICES

OFTEN_UNKNOWN = ("sessions_to_announcement",)
FORBIDDEN = re.compile(r"date|code|target|label|forward|^(open|high|low|close|price)$")


def test_each_family_has_its_columns() -> None:
    """Written out, so that a column that goes missing shows here."""
    assert len(CONTRACT.columns) == 306
    assert len(PRICES.columns) == 246
    assert Counter(column.family for column in CONTRACT.columns) == {
        "alpha158": 158,
        "technical": 24,
        "volatility": 10,
        "liquidity": 8,
        "market": 16,
        "cross_market": 10,
        "sector": 20,
        "flow": 14,
        "margin": 16,
        "short_selling": 10,
        "statements": 16,
        "events": 4,
    }
    assert CONTRACT.version == 1


def test_each_column_stands_beside_its_function() -> None:
    """Same columns, same order: a name without a formula cannot exist."""
    assert tuple(feature.column for feature in FEATURES) == CONTRACT.columns


def test_names_and_promises_are_sound() -> None:
    """Lower snake case, no label or raw level, ranges and shares that can hold, a reason for every number."""
    for column in CONTRACT.columns:
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", column.name), column.name
        assert not FORBIDDEN.search(column.name), column.name
        assert column.valid_range[0] < column.valid_range[1]
        assert 0 < column.max_null_share < (0.9 if column.name in OFTEN_UNKNOWN else 0.5)
        assert 0 <= column.min_active_share <= 1
        assert column.dtype == "Float32"
        assert column.formula
        assert re.search("<=? t", column.as_of)
        assert (column.kind == "time_series") <= (column.scope == "market")


def test_warmup_is_finite_and_short() -> None:
    """A result of a year ago beside one of 15 months before; prices 5 spans of EMA 100, else a year and a week."""
    assert CONTRACT.warmup == max(column.warmup for column in CONTRACT.columns) <= 600
    assert PRICES.warmup == PRICES["ema_distance_100"].warmup == 499
    assert max(column.warmup for column in PRICES.columns if column.name != "ema_distance_100") <= 260


def test_return_like_channels_are_daily() -> None:
    """FAN splits one-session returns and nothing else."""
    assert [c.name for c in CONTRACT.columns if c.return_like] == ["return_1", "overnight_return", "intraday_return"]


def test_select_keeps_order_and_refuses_unknown_families() -> None:
    """A family that is misspelt must not shrink the table silently."""
    assert CONTRACT.select(["market", "technical"]).families == ("technical", "market")
    assert CONTRACT.select(CONTRACT.families) == CONTRACT
    with pytest.raises(ContractError, match="'tecnical'"):
        CONTRACT.select(["tecnical"])
    with pytest.raises(ContractError, match="none given"):
        CONTRACT.select([])


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"kind": "rank_gauss"},
        {"valid_range": (-1.0, 2.0)},
        {"formula": "another"},
        {"warmup": 1},
        {"max_null_share": 0.2},
        {"return_like": True},
    ],
)
def test_hash_covers_every_field(change: dict[str, object]) -> None:
    """Another promise is another hash; the same promise the same one."""
    first, *rest = CONTRACT.columns
    assert Contract(1, (replace(first, **change), *rest)).hash != CONTRACT.hash  # type: ignore[arg-type]
    assert Contract(1, tuple(CONTRACT.columns)).hash == CONTRACT.hash
    assert Contract(2, CONTRACT.columns).hash != CONTRACT.hash
    assert Contract(1, tuple(reversed(CONTRACT.columns))).hash != CONTRACT.hash


def test_a_contract_cannot_contradict_itself() -> None:
    """No name twice, no family torn apart, no unknown column."""
    first, second, *_ = CONTRACT.columns
    last = CONTRACT.columns[-1]
    with pytest.raises(ContractError, match="named twice: kmid"):
        Contract(1, (first, first))
    with pytest.raises(ContractError, match="interleave"):
        Contract(1, (first, last, second))
    with pytest.raises(ContractError, match="'nothing' is not in the contract"):
        CONTRACT["nothing"]
    assert CONTRACT["klen"] is second


def test_columns_by_kind_and_scope() -> None:
    """The empty condition leaves none out."""
    assert CONTRACT.of() == CONTRACT.columns
    assert len(CONTRACT.of(scopes=["market"])) == 16 + 1 + 2
    assert {c.name for c in PRICES.of(kinds=["flag"], scopes=["stock"])} == {"limit_up_hit", "limit_down_hit"}
