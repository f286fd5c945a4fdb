"""Keys, plans, windows and limits: who may ask what, and how often."""

from __future__ import annotations

from datetime import timedelta

import httpx
import polars as pl
import pytest

from atft_pipeline.jquants.api.plans import PLANS
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.plan_names import PLAN_ORDER, PlanName
from atft_pipeline.jquants.twin.app import Twin

from .twins import MARKET, client_of, make_twin, message_of, path_of, rows_of, serving, simulated

BARS = "/equities/bars/daily"


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "other"}, {"x-api-key": ""}])
def test_without_the_key_nothing_is_told(headers: dict[str, str]) -> None:
    with client_of(make_twin()[0], headers=headers) as client:
        assert message_of(client, BARS, 403, date="2026-10-30") == "The API key is invalid or has expired."


def test_the_key_is_not_shown() -> None:
    assert "geheim" not in repr(Twin(MARKET, key="geheim"))


@pytest.mark.parametrize("path", ["/equities/bars", "/", "/bulk", "http://twin/v1/token", "http://twin/"])
def test_an_unknown_path_is_forbidden(path: str) -> None:
    with serving() as client:
        assert "path" in message_of(client, path, 403)


@pytest.mark.parametrize("plan", PLAN_ORDER)
def test_a_plan_serves_its_endpoints_only(plan: PlanName) -> None:
    twin, clock = make_twin(plan=plan)
    with client_of(twin) as client:
        for name, endpoint in ENDPOINTS.items():
            clock.sleep(60)
            status = client.get(endpoint.path).status_code
            assert (status == 403) == (name not in PLANS[plan].endpoints), name


def test_dates_outside_the_window_are_refused_with_the_window() -> None:
    with serving(plan="light") as client:
        window = "Your subscription covers the following dates: 2021-11-02 ~ 2026-11-02"
        assert message_of(client, BARS, 400, date="2021-11-01") == window
        assert message_of(client, BARS, 400, date="2026-11-03") == window
        assert message_of(client, path_of("topix"), 400, **{"from": "2020-01-01", "to": "2026-10-30"}) == window
        assert rows_of(client, BARS, date="2021-11-02") == []
    with serving(plan="free") as client:
        window = "Your subscription covers the following dates: 2024-08-10 ~ 2026-08-10"
        assert message_of(client, BARS, 400, date="2026-08-11") == window
        bars = simulated("daily_bars").filter(pl.col("Code") == pl.col("Code").first())
        covered = bars.filter(pl.col("Date") <= "2026-08-10")
        assert 0 < covered.height < bars.height
        assert rows_of(client, BARS, code=bars["Code"][0]) == covered.to_dicts()


def test_the_calendar_reaches_into_the_next_year_unless_the_plan_lags() -> None:
    with serving(plan="light") as client:
        days = rows_of(client, path_of("trading_calendar"))
        assert (days[0]["Date"], days[-1]["Date"]) == ("2025-01-01", "2027-12-31")
    with serving(plan="free") as client:
        days = rows_of(client, path_of("trading_calendar"))
        assert (days[0]["Date"], days[-1]["Date"]) == ("2025-01-01", "2026-08-10")
        assert "covers" in message_of(client, path_of("trading_calendar"), 400, **{"from": "2026-11-01"})


def ask(client: httpx.Client, n: int, path: str = BARS) -> list[int]:
    return [client.get(path, params={"date": "2026-10-30"}).status_code for _ in range(n)]


@pytest.mark.parametrize("plan", ["light", "standard"])
def test_so_many_a_minute_pass_and_a_minute_later_again(plan: PlanName) -> None:
    limit = PLANS[plan].per_minute
    twin, clock = make_twin(plan=plan)
    with client_of(twin) as client:
        assert ask(client, limit + 2) == [200] * limit + [429, 429]
        answer = client.get(BARS, params={"date": "2026-10-30"})
        assert "retry-after" not in answer.headers
        clock.sleep(60)
        assert ask(client, limit + 1) == [200] * limit + [429]


def test_any_sixty_seconds_count_not_the_clocks_minutes() -> None:
    twin, clock = make_twin(plan="light", at="2026-11-02 20:00:50")
    with client_of(twin) as client:
        ask(client, 40)
        clock.sleep(20)
        assert ask(client, 21) == [200] * 20 + [429]
        clock.sleep(40)
        assert ask(client, 1) == [200]


def test_statements_have_a_limit_of_their_own() -> None:
    twin, clock = make_twin(plan="standard")
    with client_of(twin) as client:
        assert ask(client, 61, path_of("financial_summaries")) == [200] * 60 + [429]
        assert ask(client, 61) == [200] * 60 + [429]
        clock.sleep(60)
        assert ask(client, 60) == [200] * 60
        assert ask(client, 60, path_of("earnings_dates")) == [200] * 60


def test_going_on_while_refused_blocks_everything_for_five_minutes() -> None:
    twin, clock = make_twin(plan="light")
    with client_of(twin) as client:
        ask(client, 60)
        assert ask(client, 11) == [429] * 11  # the eleventh was one too many
        assert "blocked" in message_of(client, path_of("trading_calendar"), 429)
        clock.sleep(299)
        assert ask(client, 1) == [429]
        clock.sleep(1)
        assert ask(client, 60) == [200] * 60


def test_a_few_refusals_do_not_block() -> None:
    twin, clock = make_twin(plan="light")
    with client_of(twin) as client:
        ask(client, 60)
        assert ask(client, 10) == [429] * 10
        clock.sleep(65)
        assert ask(client, 1) == [200]


def test_more_than_twice_a_small_limit_blocks() -> None:
    twin, clock = make_twin(plan="free")
    with client_of(twin) as client:
        statuses = [client.get(path_of("trading_calendar")).status_code for _ in range(11)]
        assert statuses == [200] * 5 + [429] * 6
        clock.moment += timedelta(seconds=65)
        assert "blocked" in message_of(client, path_of("trading_calendar"), 429)


def test_a_wrong_key_uses_nothing_up() -> None:
    twin, _ = make_twin(plan="free")
    with client_of(twin) as client:
        for _ in range(20):
            client.get(path_of("trading_calendar"), headers={"x-api-key": "other"})
        assert client.get(path_of("trading_calendar")).status_code == 200
