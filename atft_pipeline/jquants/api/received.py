"""What the API has answered, kept as it came, and a journal that says which question was asked when.

    <folder>/journal.sqlite                              one row per answer; a row is written after its file
    <folder>/daily_bars/2024-05/2024-05-07.3f2a….jsonl.zst    a line per page: request, time, plan, body as received
    <folder>/daily_bars/2024-05/equities_bars_daily_202405.csv.gz.9c1d…    a bulk file as received

Nothing is overwritten and nothing is deleted: a correction is a further answer. An answer equal to the last one of its
question is not stored again; the journal then only says when it was confirmed. A crash leaves at most a file that no
row names.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import orjson
import pyarrow as pa

from atft_pipeline.errors import WireError
from atft_pipeline.jquants.api.client import Page
from atft_pipeline.jquants.api.questions import Question
from atft_pipeline.jquants.plan_names import PlanName

Form = Literal["pages", "bulk", "outside"]

_TABLE = """
create table if not exists answers (
    id integer primary key, endpoint text not null, question text not null, first text not null, last text not null,
    form text not null, plan text not null, answered_at text not null, confirmed_at text not null,
    hash text not null, file text not null
);
create index if not exists by_question on answers (endpoint, question);
create index if not exists by_day on answers (endpoint, first, last);
create table if not exists facts (name text primary key, value text not null);
"""


@dataclass(frozen=True)
class Answer:
    """One answer of the journal.

    Attributes:
        question: key of the question; for a bulk file, its key.
        first: first day that its rows can be dated by.
        last: the last one.
        form: pages; bulk, a gzipped CSV; outside, nothing, because the plan does not cover the days.
        plan: subscription under which it was given.
        confirmed_at: when it was last given.
        hash: of what was received.
        file: where that is; empty without anything.
    """

    question: str
    first: date
    last: date
    form: Form
    plan: PlanName
    confirmed_at: datetime
    hash: str
    file: str


class Received:
    """The store of one API address. Safe to be killed at any moment, and to be used by several processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with self._journal() as journal:
            journal.executescript(_TABLE)

    def keep_pages(self, endpoint: str, question: Question, pages: Sequence[Page], at: datetime) -> None:
        """Store the pages of one answer.

        Args:
            endpoint: whose rows.
            question: what was asked.
            pages: at least one.
            at: when it was asked: what appeared while the pages came may not be among them.
        """
        digest = blake2b(digest_size=16)
        for page in pages:
            digest.update(page.body)
        plan = pages[0].plan
        if self._confirm(endpoint, question.key, digest.hexdigest(), plan, at):
            return
        lines = b"".join(_line(page) for page in pages)
        name = f"{question.key}.{digest.hexdigest()[:12]}.jsonl.zst"
        file = self._path(endpoint, question, name)
        _write(file, pa.compress(lines, codec="zstd", asbytes=True))
        self._note(endpoint, question, "pages", plan, at, digest.hexdigest(), file)

    def keep_bulk(self, endpoint: str, question: Question, incoming: Path, plan: PlanName, at: datetime) -> None:
        """Move a downloaded file, whole and synced, into the store."""
        with incoming.open("rb") as stream:
            digest = blake2b(digest_size=16)
            while block := stream.read(1 << 20):
                digest.update(block)
        if self._confirm(endpoint, question.key, digest.hexdigest(), plan, at):
            incoming.unlink()
            return
        file = self._path(endpoint, question, f"{Path(question.key).name}.{digest.hexdigest()[:12]}")
        incoming.replace(file)
        self._note(endpoint, question, "bulk", plan, at, digest.hexdigest(), file)

    def keep_refusal(self, endpoint: str, question: Question, plan: PlanName, at: datetime) -> None:
        """Remember that the plan does not cover the question's days."""
        if not self._confirm(endpoint, question.key, "", plan, at):
            self._note(endpoint, question, "outside", plan, at, "", None)

    def latest(self, endpoint: str) -> dict[str, Answer]:
        """The last answer of each question."""
        query = "select * from answers where id in (select max(id) from answers where endpoint = ? group by question)"
        with self._journal() as journal:
            return {row["question"]: _answer(row) for row in journal.execute(query, (endpoint,))}

    def about(self, endpoint: str, start: date, end: date) -> list[Answer]:
        """Every answer with rows that can be dated in [start, end], the oldest first."""
        query = (
            "select * from answers where endpoint = ? and form != 'outside' and last >= ? and first <= ?"
            " order by answered_at, id"
        )
        with self._journal() as journal:
            rows = journal.execute(query, (endpoint, str(start), str(end))).fetchall()
        return [_answer(row) for row in rows]

    def bodies(self, answer: Answer) -> list[bytes]:
        """Bodies of an answer's pages, as received.

        Raises:
            WireError: the file is gone or damaged.
        """
        path = self.folder / answer.file
        try:
            with pa.input_stream(str(path), compression="zstd") as stream:
                text = stream.read()
        except OSError as error:
            raise WireError(
                f"{path} cannot be read ({error}); the journal says that it holds the answer to {answer.question}.",
                remedy="Restore the file, or delete the journal's folder to ask everything again.",
            ) from None
        return [orjson.loads(line)["body"].encode() for line in text.splitlines()]

    def fact(self, name: str) -> str | None:
        """Something remembered of the account, such as the first day that it ever covered."""
        with self._journal() as journal:
            row = journal.execute("select value from facts where name = ?", (name,)).fetchone()
        return None if row is None else str(row["value"])

    def remember(self, name: str, value: str) -> None:
        """Set a fact."""
        with self._journal() as journal:
            journal.execute("insert or replace into facts values (?, ?)", (name, value))

    def incoming(self, endpoint: str, name: str) -> Path:
        """Where a bulk file is downloaded to; what a killed download left is there."""
        folder = self.folder / ".incoming" / endpoint
        folder.mkdir(parents=True, exist_ok=True)
        return folder / Path(name).name

    def _confirm(self, endpoint: str, key: str, digest: str, plan: PlanName, at: datetime) -> bool:
        """Whether the last answer was the same; if so, it has been given once more."""
        with self._journal() as journal:
            found = journal.execute(
                "select id, hash, file from answers where endpoint = ? and question = ? order by id desc limit 1",
                (endpoint, key),
            ).fetchone()
            if found is None or found["hash"] != digest:
                return False
            if found["file"] and not (self.folder / found["file"]).is_file():
                return False
            journal.execute(
                "update answers set confirmed_at = ?, plan = ? where id = ?", (_stamp(at), plan, found["id"])
            )
            return True

    def _note(
        self,
        endpoint: str,
        question: Question,
        form: Form,
        plan: PlanName,
        at: datetime,
        digest: str,
        file: Path | None,
    ) -> None:
        with self._journal() as journal:
            journal.execute(
                "insert into answers (endpoint, question, first, last, form, plan, answered_at, confirmed_at, hash,"
                " file) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    endpoint,
                    question.key,
                    str(question.first),
                    str(question.last),
                    form,
                    plan,
                    _stamp(at),
                    _stamp(at),
                    digest,
                    "" if file is None else file.relative_to(self.folder).as_posix(),
                ),
            )

    def _path(self, endpoint: str, question: Question, name: str) -> Path:
        folder = self.folder / endpoint / ("whole" if question.first == date.min else f"{question.first:%Y-%m}")
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    @contextmanager
    def _journal(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it, or nothing."""
        with closing(sqlite3.connect(self.folder / "journal.sqlite", timeout=60.0)) as journal:
            journal.row_factory = sqlite3.Row
            journal.execute("pragma journal_mode = wal")
            with journal:
                yield journal


def _line(page: Page) -> bytes:
    """One page as a line: the request without the key, and the body as text."""
    head = {
        "path": page.path,
        "params": dict(page.params),
        "page": page.number,
        "fetched_at": page.fetched_at.isoformat(),
        "plan": page.plan,
        "body": page.body.decode(),
    }
    return orjson.dumps(head) + b"\n"


def _write(file: Path, content: bytes) -> None:
    """All of it or nothing, also when the power goes."""
    draft = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}")
    with draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)


def _answer(row: sqlite3.Row) -> Answer:
    return Answer(
        question=row["question"],
        first=date.fromisoformat(row["first"]),
        last=date.fromisoformat(row["last"]),
        form=row["form"],
        plan=row["plan"],
        confirmed_at=datetime.fromisoformat(row["confirmed_at"]),
        hash=row["hash"],
        file=row["file"],
    )


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
