"""The twin as an ASGI application: its routes, the order of refusals, and where faults strike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atft_pipeline.jquants.api.clock import Clock, SystemClock
from atft_pipeline.jquants.api.plans import PLANS
from atft_pipeline.jquants.plan_names import PlanName
from atft_pipeline.jquants.twin import SIMULATED_KEY
from atft_pipeline.jquants.twin.answers import BY_PATH, Answers
from atft_pipeline.jquants.twin.downloads import SignedFiles, file_parcel
from atft_pipeline.jquants.twin.effects import INVALID_KEY, Effect
from atft_pipeline.jquants.twin.faults import DOWNLOADS, FaultPlan, FaultRun
from atft_pipeline.jquants.twin.limits import Limits
from atft_pipeline.jquants.twin.parcel import Parcel, ParcelResponse, json_parcel
from atft_pipeline.jquants.twin.published import PublishedRows
from atft_pipeline.sections import SimulatorSettings


@dataclass(frozen=True)
class Twin:
    """Everything that decides what a twin answers.

    Attributes:
        market: size, dates, seed and effects of the simulated market.
        plan: what the account subscribed.
        key: the one key that it takes.
        page_rows: rows per page; the API cuts at about 5 MB.
        clock: decides today, the minutes of the limits and what is published; not before the first session.
        faults: what goes wrong.
    """

    market: SimulatorSettings
    plan: PlanName = "standard"
    key: str = field(default=SIMULATED_KEY, repr=False)
    page_rows: int = 2000
    clock: Clock = field(default_factory=SystemClock)
    faults: FaultPlan = field(default_factory=FaultPlan)


def build_app(twin: Twin) -> Starlette:
    """The application; `app.state.twin` is the twin itself."""
    desk = _Desk(twin)
    routes = [
        Route("/v2/{path:path}", desk.answer),
        Route(f"{DOWNLOADS}/{{token}}", desk.download, name="download"),
        Route("/{path:path}", desk.nowhere),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refused})
    app.state.twin = twin
    return app


class _Desk:
    """Answers requests, one after the other."""

    def __init__(self, twin: Twin) -> None:
        plan = PLANS[twin.plan]
        self._twin = twin
        self._limits = Limits(plan, twin.clock)
        self._faults = FaultRun(twin.faults)
        self._answers = Answers(plan, PublishedRows(twin.market, twin.faults.late_statements), twin.page_rows)
        self._signed = SignedFiles(twin.clock)

    async def answer(self, request: Request) -> Response:
        """Any path of the API."""
        path = f"/{request.path_params['path']}"
        effects = self._struck(path)
        if request.headers.get("x-api-key") != self._twin.key:
            raise HTTPException(403, INVALID_KEY)
        self._limits.count(path)
        body = self._body(path, request, effects)
        for effect in effects:
            body = effect.body(body)
        return _sent(json_parcel(body, request), effects)

    async def download(self, request: Request) -> Response:
        """A file under its signed address, whole or in part."""
        effects = self._struck(request.url.path)
        if "x-api-key" in request.headers:
            raise HTTPException(400, "Only one authentication is allowed: this address is signed; send no x-api-key.")
        return _sent(file_parcel(self._signed.take(request.path_params["token"]), request), effects)

    async def nowhere(self, request: Request) -> Response:
        """A path outside the API."""
        raise _forbidden_path()

    def _body(self, path: str, request: Request, effects: Iterable[Effect]) -> bytes:
        given, now = dict(request.query_params), self._twin.clock.now()
        if path in BY_PATH:
            return self._answers.page(path, given, now, effects)
        if path == "/bulk/list":
            return self._answers.file_list(given, now)
        if path == "/bulk/get":
            token = self._signed.sign(self._answers.file(given, now))
            return orjson.dumps({"url": str(request.url_for("download", token=token))})
        raise _forbidden_path()

    def _struck(self, path: str) -> tuple[Effect, ...]:
        """Effects on this request, those that refuse it having done so."""
        effects = self._faults.effects(path)
        for effect in effects:
            effect.before(self._limits)
        return effects


def _sent(parcel: Parcel, effects: Iterable[Effect]) -> Response:
    for effect in effects:
        parcel = effect.parcel(parcel)
    return ParcelResponse(parcel)


def _forbidden_path() -> HTTPException:
    """The API answers 403 where others answer 404."""
    return HTTPException(403, "Forbidden: this path does not exist.")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # registered for nothing else
    return JSONResponse({"message": error.detail}, error.status_code, error.headers)
