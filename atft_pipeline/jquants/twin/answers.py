"""What the twin's account is told: pages of rows, lists of files, addresses of files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime

import orjson
import polars as pl
from starlette.exceptions import HTTPException

from atft_pipeline.calendar import TOKYO
from atft_pipeline.jquants.api.plans import Plan
from atft_pipeline.jquants.data_files import parse_name
from atft_pipeline.jquants.endpoints import ENDPOINTS, Endpoint
from atft_pipeline.jquants.twin.bulk import Shelf, ShelfFile
from atft_pipeline.jquants.twin.columns import as_served
from atft_pipeline.jquants.twin.effects import Effect
from atft_pipeline.jquants.twin.pages import after_cursor, cursor_of, cut, json_rows, question_of
from atft_pipeline.jquants.twin.parameters import PARAMETERS, Query, read_query
from atft_pipeline.jquants.twin.published import PublishedRows
from atft_pipeline.jquants.twin.windows import check_window, covered

BY_PATH: Mapping[str, Endpoint] = {endpoint.path: endpoint for endpoint in ENDPOINTS.values()}


class Answers:
    """Answers to requests whose key and rate are in order.

    Args:
        plan: what the account subscribed.
        published: the market, seen through publication times.
        page_rows: rows per page.
    """

    def __init__(self, plan: Plan, published: PublishedRows, page_rows: int) -> None:
        self._plan = plan
        self._published = published
        self._page_rows = page_rows
        self._shelf = Shelf(published, self._served)

    def page(self, path: str, given: Mapping[str, str], now: datetime, effects: Iterable[Effect]) -> bytes:
        """The JSON of one page of an endpoint.

        Raises:
            HTTPException: 403 for an endpoint that the plan lacks; 400 for parameters and days that it cannot have.
        """
        endpoint = self._served_endpoint(path)
        query = read_query(endpoint, given)
        check_window(self._plan, endpoint, query, _today(now))
        rows = self._matching(endpoint, query, now)
        page, following = cut(rows, question_of(path, given), self._page_rows, query.pagination_key)
        cursor = cursor_of(rows, query.cursor) if PARAMETERS[endpoint.name].cursor and following is None else None
        for effect in effects:
            page, following = effect.rows(page), effect.next_key(query.pagination_key, following)
        named = {"pagination_key": following, "cursor": cursor}
        rest = "".join(f',"{name}":"{value}"' for name, value in named.items() if value is not None)
        return b'{"data":' + json_rows(page, endpoint) + rest.encode() + b"}"

    def file_list(self, given: Mapping[str, str], now: datetime) -> bytes:
        """The JSON of an endpoint's files.

        Raises:
            HTTPException: 403 where the plan has no files; 400 for other parameters than `endpoint`.
        """
        files = [
            {"Key": file.key, "LastModified": f"{file.modified:%Y-%m-%dT%H:%M:%SZ}", "Size": len(file.content)}
            for file in self._files(self._only(given, "endpoint"), now)
        ]
        return orjson.dumps({"data": files})

    def file(self, given: Mapping[str, str], now: datetime) -> ShelfFile:
        """The file that a request names by its key.

        Raises:
            HTTPException: 403 where the plan has no files; 400 for other parameters than the `key` of a listed file.
        """
        key = self._only(given, "key")
        known = parse_name(key.rsplit("/", 1)[-1])
        files = self._files(ENDPOINTS[known[0]].path, now) if known else []
        found = next((file for file in files if file.key == key), None)
        if found is None:
            raise HTTPException(400, "'key' must be one of those that /bulk/list gives.")
        return found

    def _matching(self, endpoint: Endpoint, query: Query, now: datetime) -> pl.DataFrame:
        """Every row of a query, all pages together."""
        first, last = covered(self._plan, endpoint, _today(now))
        first, last = query.first or first, query.last or last
        if endpoint.name == "equities_master":
            first = last = self._published.snapshot_session(query.days.get("Date", _today(now)), now)
        elif endpoint.date_column in query.days:
            first = last = query.days[endpoint.date_column]
        rows = self._served(endpoint, first, last, now)
        days = {column: day.isoformat() for column, day in query.days.items() if column != endpoint.date_column}
        rows = rows.filter(*(pl.col(column) == value for column, value in {**query.equal, **days}.items()))
        return after_cursor(rows, query.cursor)

    def _served(self, endpoint: Endpoint, first: date, last: date, now: datetime) -> pl.DataFrame:
        return as_served(self._published.rows(endpoint, first, last, now), endpoint, self._plan, now)

    def _files(self, path: str, now: datetime) -> list[ShelfFile]:
        if path not in BY_PATH:
            raise HTTPException(400, "'endpoint' must be the path of an API with files, such as /equities/bars/daily.")
        endpoint = self._served_endpoint(path)
        return self._shelf.files(endpoint, covered(self._plan, endpoint, _today(now))[0], now)

    def _only(self, given: Mapping[str, str], name: str) -> str:
        """The one parameter of a request about files."""
        if not self._plan.bulk:
            raise HTTPException(403, "Bulk download is not available on your subscription.")
        if set(given) != {name}:
            raise HTTPException(400, f"Exactly the parameter '{name}' is required.")
        return given[name]

    def _served_endpoint(self, path: str) -> Endpoint:
        if not self._plan.serves(BY_PATH[path]):
            raise HTTPException(403, "This API is not available on your subscription.")
        return BY_PATH[path]


def _today(now: datetime) -> date:
    return now.astimezone(TOKYO).date()
