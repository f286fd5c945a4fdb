"""Bulk files: listed, downloaded whole or not at all, continued where they broke off; their addresses stay secret."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from atft_pipeline.errors import AtftError, AuthError, LakeError, ServerError, WireError
from atft_pipeline.jquants.api.bulk import BulkFile

from .servers import SECRET, Pieces, Script, data, everything_shown, refused

SIGNATURE = "X-Amz-Signature-0123456789abcdef"
ADDRESS = f"https://files.example/bars/{SIGNATURE}?sig={SIGNATURE}"
CONTENT = gzip.compress(b"Date,Code,C\n2024-01-04,72030,2600\n" + bytes(range(256)) * 20, mtime=0)
FILE = BulkFile("equities/bars/daily/historical/2024/equities_bars_daily_202401.csv.gz", len(CONTENT), None)

Serve = Callable[[httpx.Request], httpx.Response]


def sends(content: bytes, status: int = 200, **headers: str) -> Serve:
    """Always this answer; `content_range` is the header Content-Range."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: httpx.Response(status, headers=named, stream=Pieces(content))


class Storage:
    """The API and the storage behind it: each download takes the next `serve`, the last one is repeated."""

    def __init__(self, *serves: Serve, answer: object = None) -> None:
        self._serves = serves
        self._answer = answer or {"url": ADDRESS}
        self.downloads: list[httpx.Request] = []
        self.script = Script(self._reply)

    def _reply(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "api.jquants.com":
            assert (request.url.path, dict(request.url.params)) == ("/v2/bulk/get", {"key": FILE.key})
            return httpx.Response(200, json=self._answer)
        self.downloads.append(request)
        return self._serves[min(len(self.downloads), len(self._serves)) - 1](request)

    def download(self, folder: Path, file: BulkFile = FILE) -> Path:
        to = folder / "bars" / "file.csv.gz"
        with self.script.client(folder / "throttle", "light") as client:
            client.download(file, to)
        return to

    @property
    def ranges(self) -> list[str | None]:
        return [request.headers.get("range") for request in self.downloads]


whole = sends(CONTENT)


def from_range(request: httpx.Request) -> httpx.Response:
    start = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
    place = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
    return sends(CONTENT[start:], 206, content_range=place)(request)


def cut_after(n: int) -> Serve:
    cut = httpx.RemoteProtocolError(f"peer closed connection of {ADDRESS}")
    return lambda request: httpx.Response(200, stream=Pieces(CONTENT[: n // 2], CONTENT[n // 2 : n], cut))


def test_the_list_is_sorted_and_typed(tmp_path: Path) -> None:
    script = Script(
        data({"Key": "b", "Size": 7, "LastModified": "2025-11-07T20:48:51.295000+00:00"}, following="next"),
        data({"Key": "c", "Size": "8", "LastModified": "2025-11-08"}, {"Key": "a", "Size": 9}),
    )
    files = script.client(tmp_path).bulk_files("/equities/bars/daily")
    assert files == (
        BulkFile("a", 9, None),
        BulkFile("b", 7, datetime(2025, 11, 7, 20, 48, 51, 295000, tzinfo=UTC)),
        BulkFile("c", 8, datetime(2025, 11, 8, tzinfo=UTC)),
    )
    assert script.requests[0].url.path == "/v2/bulk/list"
    assert script.queries[0] == {"endpoint": "/equities/bars/daily"}


@pytest.mark.parametrize("row", [{"Size": 1}, {"Key": "a"}, {"Key": "a", "Size": "big"}, {"Key": "a", "Size": -1}])
def test_an_entry_without_key_or_size_is_refused(tmp_path: Path, row: dict[str, object]) -> None:
    with pytest.raises(WireError, match="/bulk/list"):
        Script(data(row)).client(tmp_path).bulk_files("/equities/bars/daily")


@pytest.mark.parametrize("answer", [{"url": ADDRESS}, {"data": {"url": ADDRESS}}, {"data": [{"url": ADDRESS}]}])
def test_a_file_arrives_whole_and_the_key_stays_at_home(tmp_path: Path, answer: object) -> None:
    storage = Storage(whole, answer=answer)
    to = storage.download(tmp_path)
    assert to.read_bytes() == CONTENT
    assert [path.name for path in to.parent.iterdir()] == [to.name]
    (request,) = storage.downloads
    assert str(request.url) == ADDRESS
    assert "x-api-key" not in request.headers
    assert SECRET not in str(request.headers.multi_items())
    assert request.headers["accept-encoding"] == "identity"


def test_a_download_that_broke_off_is_continued_on_a_fresh_address(tmp_path: Path) -> None:
    storage = Storage(cut_after(100), from_range)
    assert storage.download(tmp_path).read_bytes() == CONTENT
    assert storage.ranges == [None, "bytes=100-"]
    assert [request.url.path for request in storage.script.requests[::2]] == ["/v2/bulk/get"] * 2
    ((reason, seconds),) = storage.script.waits
    assert reason == f"bulk file {FILE.key}: the download broke off (RemoteProtocolError)"
    assert 2.0 <= seconds <= 6.0


def test_what_an_earlier_process_left_is_continued(tmp_path: Path) -> None:
    storage = Storage(from_range)
    (tmp_path / "bars").mkdir()
    (tmp_path / "bars" / "file.csv.gz.part").write_bytes(CONTENT[:77])
    assert storage.download(tmp_path).read_bytes() == CONTENT
    assert storage.ranges == ["bytes=77-"]


def test_what_an_earlier_process_left_whole_is_not_asked_for(tmp_path: Path) -> None:
    storage = Storage(whole)
    (tmp_path / "bars").mkdir()
    (tmp_path / "bars" / "file.csv.gz.part").write_bytes(CONTENT)
    assert storage.download(tmp_path).read_bytes() == CONTENT
    assert storage.script.requests == []


@pytest.mark.parametrize(
    "serves",
    [
        (whole,),  # the storage knows no ranges
        (sends(b"", 416), whole),
        (sends(CONTENT[:10], 206, content_range="bytes 0-9/10"), whole),
        (sends(CONTENT[10:], 206), whole),
    ],
)
def test_where_it_cannot_be_continued_it_starts_over(tmp_path: Path, serves: tuple[Serve, ...]) -> None:
    storage = Storage(*serves)
    (tmp_path / "bars").mkdir()
    (tmp_path / "bars" / "file.csv.gz.part").write_bytes(b"z" * 10)
    assert storage.download(tmp_path).read_bytes() == CONTENT
    assert storage.ranges == ["bytes=10-", *[None] * (len(serves) - 1)]


@pytest.mark.parametrize("left", [b"z" * 100, b"z" * len(CONTENT), CONTENT + b"z"])
def test_damaged_leftovers_are_thrown_away(tmp_path: Path, left: bytes) -> None:
    serve: Serve = lambda request: (from_range if "range" in request.headers else whole)(request)  # noqa: E731
    storage = Storage(serve)
    (tmp_path / "bars").mkdir()
    (tmp_path / "bars" / "file.csv.gz.part").write_bytes(left)
    assert storage.download(tmp_path).read_bytes() == CONTENT


def flipped(at: int) -> bytes:
    return CONTENT[:at] + bytes([CONTENT[at] ^ 0xFF]) + CONTENT[at + 1 :]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (flipped(0), WireError),
        (flipped(60), WireError),
        (flipped(len(CONTENT) - 6), WireError),
        (CONTENT + b"more", WireError),
        (b"x" * len(CONTENT), WireError),
        (CONTENT[:-1], ServerError),
        (b"", ServerError),
    ],
)
def test_what_is_damaged_each_time_never_gets_the_files_name(
    tmp_path: Path, content: bytes, kind: type[AtftError]
) -> None:
    storage = Storage(sends(content))
    with pytest.raises(kind, match=FILE.key) as caught:
        storage.download(tmp_path)
    assert str(len(CONTENT)) in caught.value.problem
    assert str(len(content)) in caught.value.problem
    assert len(storage.downloads) == 6
    assert not (tmp_path / "bars" / "file.csv.gz").exists()


def test_a_cut_file_of_the_promised_size_is_not_whole(tmp_path: Path) -> None:
    file = BulkFile(FILE.key, len(CONTENT) - 5, None)
    with pytest.raises(WireError, match="not a whole gzip file"):
        Storage(sends(CONTENT[:-5])).download(tmp_path, file)


def test_an_empty_file_is_not_whole(tmp_path: Path) -> None:
    with pytest.raises(WireError, match="0 bytes arrived, 0 were promised"):
        Storage(whole).download(tmp_path, BulkFile(FILE.key, 0, None))


def test_more_than_was_promised_does_not_fill_the_disk(tmp_path: Path) -> None:
    taken = 0

    class Endless(httpx.SyncByteStream):
        def __iter__(self):  # type: ignore[no-untyped-def] # noqa: ANN204
            nonlocal taken
            while True:
                taken += 1
                yield b"x" * 1000

    with pytest.raises(WireError):
        Storage(lambda request: httpx.Response(200, stream=Endless())).download(tmp_path)
    assert taken < 6 * (len(CONTENT) // 1000 + 3)


@pytest.mark.parametrize(
    "answer", [{"url": ""}, {"url": 7}, {"data": []}, {"data": ["x"]}, {"url": "http://files.example/"}]
)
def test_an_answer_without_a_usable_address(tmp_path: Path, answer: object) -> None:
    storage = Storage(whole, answer=answer)
    with pytest.raises(WireError, match="/bulk/get"):
        storage.download(tmp_path)
    assert storage.downloads == []


def test_a_refusal_of_the_api_is_final(tmp_path: Path) -> None:
    script = Script(refused(403, "The incoming api key is invalid or expired."))
    with pytest.raises(AuthError):
        script.client(tmp_path).download(FILE, tmp_path / "file")
    assert len(script.requests) == 1


def test_a_disk_that_does_not_take_it(tmp_path: Path) -> None:
    (tmp_path / "bars").write_text("a file where the folder should be")
    with pytest.raises(LakeError, match=r"file\.csv\.gz\.part cannot be written") as caught:
        Storage(whole).download(tmp_path)
    shown = everything_shown(caught.value)
    assert SIGNATURE not in shown


@pytest.mark.parametrize(
    "serve",
    [
        cut_after(10),
        sends(f"<StringToSign>{SIGNATURE}</StringToSign>".encode(), 403),
        sends(b"", 302, location=ADDRESS),
        sends(b"x" * len(CONTENT)),
        sends(ADDRESS.encode(), 503),
    ],
)
def test_no_error_shows_the_address_or_the_key(tmp_path: Path, serve: Serve) -> None:
    storage = Storage(serve)
    with pytest.raises(AtftError) as caught:
        storage.download(tmp_path)
    shown = everything_shown(caught.value) + str(storage.script.waits)
    assert SIGNATURE not in shown
    assert SECRET not in shown


def test_an_answer_with_an_address_that_cannot_be_used_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(WireError) as caught:
        Storage(whole, answer={"data": [{"link": ADDRESS}]}).download(tmp_path)
    shown = everything_shown(caught.value)
    assert SIGNATURE not in shown


def test_no_log_line_shows_the_address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    Storage(whole).download(tmp_path)
    assert "https://files.example/..." in caplog.text
    assert SIGNATURE not in caplog.text
