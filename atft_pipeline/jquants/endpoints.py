"""The V2 contract: what each endpoint is called, which columns it has, and when a row becomes known.

Facts are those of the J-Quants V2 documentation. `required` columns must be present; every other column depends on
the plan (morning and afternoon sessions), came later (ProdCat, MktCap, ShEq) or may be left out by a file source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Literal

import polars as pl

from atft_pipeline.jquants.plan_names import PlanName

WireType = Literal["text", "code", "sector", "number", "date", "flag", "reason"]
"""text: a string. code: a 5-character issue code. sector: an S33 code, zero-padded to 4. number: a number, or its
text. date: YYYY-MM-DD or YYYYMMDD. flag: "true"/"false". reason: margin-alert's object of "0"/"1"."""

Grain = Literal["whole", "range", "session", "day", "week"]
"""How the whole market is asked for. whole: one request without dates. range: one with from and to. session, day:
one for each session, for each day. week: one for the last session of each week, and for each session once daily."""

Regularity = Literal["session", "week", "month", "year"]

REASONS = (
    "Restricted",
    "DailyPublication",
    "Monitoring",
    "RestrictedByJSF",
    "PrecautionByJSF",
    "UnclearOrSecOnAlert",
)

DTYPES: Mapping[WireType, pl.DataType] = {
    "text": pl.String(),
    "code": pl.String(),
    "sector": pl.String(),
    "number": pl.Float64(),
    "date": pl.Date(),
    "flag": pl.Boolean(),
    "reason": pl.Struct(dict.fromkeys(REASONS, pl.String())),
}


@dataclass(frozen=True)
class Endpoint:
    """One J-Quants V2 endpoint as a raw table.

    Attributes:
        name: the raw asset's name.
        path: the path under the API's base address.
        columns: column to wire type, in the order of the typed table.
        required: columns without which a row means nothing.
        key: natural key; a correction repeats it, and the last one fetched wins.
        date_column: the date that assigns a row to a month.
        plan: the cheapest plan that offers it.
        published: when a row becomes known, Tokyo time.
        grain: how rows of the whole market are asked for.
        date_parameter: the request's parameter for one day; it filters `date_column`. Empty for whole and range.
        updated_at: times of day, Tokyo, from which the API has new rows.
        regularity: the shortest period that never passes without a row in the whole market.
    """

    name: str
    path: str
    columns: Mapping[str, WireType]
    required: tuple[str, ...]
    key: tuple[str, ...]
    date_column: str
    plan: PlanName
    published: str
    grain: Grain
    date_parameter: str
    updated_at: tuple[time, ...]
    regularity: Regularity

    @property
    def file_stem(self) -> str:
        """Name of the endpoint's files, as in the bulk download: `equities_bars_daily`."""
        return self.path.strip("/").replace("/", "_").replace("-", "_")

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Column to dtype of the typed table, with every column that the endpoint may have."""
        return {column: DTYPES[kind] for column, kind in self.columns.items()}


_INVESTORS = (
    "Prop",
    "Brk",
    "Tot",
    "Ind",
    "Frgn",
    "SecCo",
    "InvTr",
    "BusCo",
    "OthCo",
    "InsCo",
    "Bank",
    "TrstBnk",
    "OthFin",
)
_TYPES: dict[str, WireType] = {kind: kind for kind in DTYPES}


def _columns(*runs: str) -> dict[str, WireType]:
    """`_columns("date: Date", "number: O H")`: runs of columns of one type, in the table's order."""
    found: dict[str, WireType] = {}
    for run in runs:
        kind, names = run.split(": ")
        found.update(dict.fromkeys(names.split(), _TYPES[kind]))
    return found


_TABLE = (
    Endpoint(
        name="trading_calendar",
        path="/markets/calendar",
        columns=_columns("date: Date", "text: HolDiv"),
        required=("Date", "HolDiv"),
        key=("Date",),
        date_column="Date",
        plan="free",
        published="the next year's about the end of March",
        grain="whole",
        date_parameter="",
        updated_at=(time(0),),
        regularity="session",
    ),
    Endpoint(
        name="equities_master",
        path="/equities/master",
        columns=_columns(
            "date: Date",
            "code: Code",
            "text: CoName CoNameEn S17 S17Nm",
            "sector: S33",
            "text: S33Nm ScaleCat Mkt MktNm Mrgn MrgnNm ProdCat",
        ),
        required=("Date", "Code", "S17", "S33"),
        key=("Date", "Code"),
        date_column="Date",
        plan="free",
        published="17:30 of the session before Date",
        grain="session",
        date_parameter="date",
        updated_at=(time(8), time(17, 30)),
        regularity="session",
    ),
    Endpoint(
        name="daily_bars",
        path="/equities/bars/daily",
        columns=_columns(
            "date: Date",
            "code: Code",
            "number: O H L C",
            "text: UL LL",
            "number: Vo Va AdjFactor AdjO AdjH AdjL AdjC AdjVo MO MH ML MC",
            "text: MUL MLL",
            "number: MVo MVa MAdjO MAdjH MAdjL MAdjC MAdjVo AO AH AL AC",
            "text: AUL ALL",
            "number: AVo AVa AAdjO AAdjH AAdjL AAdjC AAdjVo MktCap",
            "text: ExRT",
        ),
        required=("Date", "Code", "O", "H", "L", "C", "Vo", "Va", "AdjFactor"),
        key=("Date", "Code"),
        date_column="Date",
        plan="free",
        published="16:30 of Date",
        grain="session",
        date_parameter="date",
        updated_at=(time(16, 30),),
        regularity="session",
    ),
    Endpoint(
        name="topix",
        path="/indices/bars/daily/topix",
        columns=_columns("date: Date", "number: O H L C"),
        required=("Date", "O", "H", "L", "C"),
        key=("Date",),
        date_column="Date",
        plan="light",
        published="16:30 of Date",
        grain="range",
        date_parameter="",
        updated_at=(time(16, 30),),
        regularity="session",
    ),
    Endpoint(
        name="investor_types",
        path="/equities/investor-types",
        columns=_columns(
            "date: PubDate StDate EnDate",
            "text: Section",
            "number: " + " ".join(f"{who}{what}" for who in _INVESTORS for what in ("Sell", "Buy", "Tot", "Bal")),
        ),
        required=("PubDate", "StDate", "EnDate", "Section", "IndSell", "IndBuy", "FrgnSell", "FrgnBuy"),
        key=("PubDate", "Section", "StDate"),
        date_column="PubDate",
        plan="light",
        published="18:00 of PubDate, the 4th session of the week after",
        grain="range",
        date_parameter="",
        updated_at=(time(18),),
        regularity="month",
    ),
    Endpoint(
        name="margin_interest",
        path="/markets/margin-interest",
        columns=_columns(
            "date: PubDate Date",
            "code: Code",
            "text: IssType",
            "number: ShrtVol LongVol ShrtNegVol LongNegVol ShrtStdVol LongStdVol"
            " ShrtVal LongVal ShrtNegVal LongNegVal ShrtStdVal LongStdVal",
        ),
        required=("Date", "Code", "ShrtVol", "LongVol"),
        key=("Date", "Code"),
        date_column="Date",
        plan="standard",
        published="weekly, the 2nd session of the next week; daily with PubDate from Date 2026-09-25",
        grain="week",
        date_parameter="date",
        updated_at=(time(16, 30),),
        regularity="week",
    ),
    Endpoint(
        name="margin_alert",
        path="/markets/margin-alert",
        columns=_columns(
            "date: PubDate",
            "code: Code",
            "date: AppDate",
            "reason: PubReason",
            "number: ShrtOut ShrtOutChg ShrtOutRatio LongOut LongOutChg LongOutRatio SLRatio ShrtNegOut ShrtNegOutChg"
            " ShrtStdOut ShrtStdOutChg LongNegOut LongNegOutChg LongStdOut LongStdOutChg",
            "text: TSEMrgnRegCls",
        ),
        required=("PubDate", "Code", "AppDate", "PubReason", "ShrtOut", "LongOut"),
        key=("PubDate", "Code", "AppDate"),
        date_column="PubDate",
        plan="standard",
        published="16:30 of PubDate, for the session before",
        grain="session",
        date_parameter="date",
        updated_at=(time(16, 30),),
        regularity="year",
    ),
    Endpoint(
        name="short_ratio",
        path="/markets/short-ratio",
        columns=_columns("date: Date", "sector: S33", "number: SellExShortVa ShrtWithResVa ShrtNoResVa"),
        required=("Date", "S33", "SellExShortVa", "ShrtWithResVa", "ShrtNoResVa"),
        key=("Date", "S33"),
        date_column="Date",
        plan="standard",
        published="16:30 of Date",
        grain="session",
        date_parameter="date",
        updated_at=(time(16, 30),),
        regularity="session",
    ),
    Endpoint(
        name="short_sale_report",
        path="/markets/short-sale-report",
        columns=_columns(
            "date: DiscDate CalcDate",
            "code: Code",
            "text: SSName SSAddr DICName DICAddr FundName",
            "number: ShrtPosToSO ShrtPosShares ShrtPosUnits",
            "date: PrevRptDate",
            "number: PrevRptRatio",
            "text: Notes",
        ),
        required=("DiscDate", "CalcDate", "Code", "SSName", "FundName", "ShrtPosToSO"),
        key=("DiscDate", "CalcDate", "Code", "SSName", "DICName", "FundName"),
        date_column="DiscDate",
        plan="standard",
        published="17:30 of DiscDate, about two sessions after CalcDate",
        grain="session",
        date_parameter="disc_date",
        updated_at=(time(17, 30),),
        regularity="month",
    ),
    Endpoint(
        name="financial_summaries",
        path="/fins/summary",
        columns=_columns(
            "date: DiscDate",
            "text: DiscTime",
            "code: Code",
            "text: DiscNo DocType CurPerType",
            "date: CurPerSt CurPerEn CurFYSt CurFYEn NxtFYSt NxtFYEn",
            "number: Sales OP OdP NP EPS DEPS TA Eq EqAR BPS CFO CFI CFF CashEq"
            " Div1Q Div2Q Div3Q DivFY DivAnn DivUnit DivTotalAnn PayoutRatioAnn"
            " FDiv1Q FDiv2Q FDiv3Q FDivFY FDivAnn FDivUnit FDivTotalAnn FPayoutRatioAnn"
            " NxFDiv1Q NxFDiv2Q NxFDiv3Q NxFDivFY NxFDivAnn NxFDivUnit NxFPayoutRatioAnn"
            " FSales2Q FOP2Q FOdP2Q FNP2Q FEPS2Q NxFSales2Q NxFOP2Q NxFOdP2Q NxFNp2Q NxFEPS2Q"
            " FSales FOP FOdP FNP FEPS NxFSales NxFOP NxFOdP NxFNp NxFEPS",
            "flag: MatChgSub SigChgInC ChgByASRev ChgNoASRev ChgAcEst RetroRst",
            "number: ShOutFY TrShFY AvgSh NCSales NCOP NCOdP NCNP NCEPS NCTA NCEq NCEqAR NCBPS"
            " FNCSales2Q FNCOP2Q FNCOdP2Q FNCNP2Q FNCEPS2Q NxFNCSales2Q NxFNCOP2Q NxFNCOdP2Q NxFNCNP2Q NxFNCEPS2Q"
            " FNCSales FNCOP FNCOdP FNCNP FNCEPS NxFNCSales NxFNCOP NxFNCOdP NxFNCNP NxFNCEPS ShEq NCShEq ROE NCROE",
        ),
        required=("DiscDate", "DiscTime", "Code", "DiscNo", "DocType", "CurPerType", "CurPerEn", "CurFYEn"),
        key=("DiscNo",),
        date_column="DiscDate",
        plan="free",
        published="DiscTime of DiscDate; the API has it at 18:00 and again at 24:30",
        grain="day",
        date_parameter="date",
        updated_at=(time(0, 30), time(18)),
        regularity="month",
    ),
    Endpoint(
        name="earnings_dates",
        path="/fins/earnings-date",
        columns=_columns("date: PubDate SchDate", "text: FQName FYE", "code: Code", "text: CoName CoNameEn"),
        required=("PubDate", "SchDate", "FQName", "FYE", "Code"),
        key=("Code", "FQName", "FYE", "PubDate"),
        date_column="PubDate",
        plan="free",
        published="10:05 of PubDate",
        grain="day",
        date_parameter="date",
        updated_at=(time(10, 5),),
        regularity="month",
    ),
)

ENDPOINTS: dict[str, Endpoint] = {endpoint.name: endpoint for endpoint in _TABLE}
"""Every endpoint by the name of its raw asset."""
