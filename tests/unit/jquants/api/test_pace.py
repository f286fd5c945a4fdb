"""The client keeps the limits of the account, whatever it asks for."""

from __future__ import annotations

from pathlib import Path

import httpx
import orjson
import pytest

from atft_pipeline.jquants.api.client import JQuantsClient
from atft_pipeline.jquants.api.credentials import ApiKey
from atft_pipeline.jquants.plan_names import PlanName

from .servers import BARS, BASE, DAY, SECRET, Script, data, refused


def most_in_a_minute(times: list[float]) -> int:
    return max(sum(start <= time <= start + 60.0 for time in times) for start in times)


@pytest.mark.parametrize(("plan", "path", "limit"), [("light", BARS, 60), ("premium", "/fins/summary", 60)])
def test_the_pace_of_the_plan_and_of_fins(tmp_path: Path, plan: PlanName, path: str, limit: int) -> None:
    script = Script(data())
    client = script.client(tmp_path, plan)
    for _ in range(200):
        list(client.pages(path, DAY))
    assert 0.9 * limit <= most_in_a_minute(script.times) <= limit
    assert script.waits == [], "the usual pace is not worth a word"


def test_fins_counts_for_the_plan_too(tmp_path: Path) -> None:
    script = Script(data())
    client = script.client(tmp_path, "free")
    for n in range(20):
        list(client.pages("/fins/summary" if n % 2 else BARS, DAY))
    assert most_in_a_minute(script.times) <= 5


def test_accounts_and_hosts_do_not_share_a_bucket(tmp_path: Path) -> None:
    for key, base in ((SECRET, BASE), ("another-key", BASE), (SECRET, "http://127.0.0.1:8765/v2")):
        script = Script(data())
        transport = httpx.MockTransport(script)
        clock = script.clock
        with JQuantsClient(base, ApiKey(key), "free", tmp_path, clock=clock, transport=transport) as client:
            list(client.pages(BARS, DAY))
        assert script.times == [0.0]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(
        [
            f"{ApiKey(SECRET).fingerprint}-127.0.0.1-8765-plan.slots",
            f"{ApiKey(SECRET).fingerprint}-api.jquants.com-plan.slots",
            f"{ApiKey('another-key').fingerprint}-api.jquants.com-plan.slots",
        ]
    )


def test_10_000_requests_with_troubles_keep_the_limit_and_lose_nothing(tmp_path: Path) -> None:
    served = 0

    def sometimes(request: httpx.Request) -> httpx.Response:
        nonlocal served
        served += 1
        if served % 2500 == 0:
            return refused(429, "Too Many Requests")
        if served % 500 == 0:
            return refused(503, "Oops")
        return data({"asked": request.url.params["date"]})

    script = Script(sometimes)
    client = script.client(tmp_path, "premium")
    answered = [
        orjson.loads(page.body)["data"][0]["asked"]
        for n in range(10_000)
        for page in client.pages(BARS, {"date": str(n)})
    ]
    assert answered == [str(n) for n in range(10_000)]
    assert all(script.times[n + 500] - script.times[n] > 60.0 for n in range(len(script.times) - 500))
