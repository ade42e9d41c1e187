"""What is fuzzed: pure functions from arbitrary bytes, each with the property that it asserts.

A target returns where the property holds, and raises anything at all where it does not: an exception that is not one of
our errors is a finding as much as a failed assertion. Time and memory are bounded by whoever calls.
"""

from __future__ import annotations

import asyncio
import atexit
import csv
import io
import itertools
import json
import os
import shutil
import socket
import tempfile
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from support.histories import said
from yarl import URL

from batchgen import errors, events
from batchgen.catalog.price import base_price_of
from batchgen.catalog.schema import bundled, from_live
from batchgen.job import Reading, canonical, job_id
from batchgen.ledger import lines, replay
from batchgen.ledger.files import RealDisk
from batchgen.ledger.repair import repair
from batchgen.manifest import loader, tables
from batchgen.manifest.overrides import Overrides
from batchgen.manifest.problems import Problems
from batchgen.report import exporting
from batchgen.report.failures import failure_lines, failures
from batchgen.report.status import status, status_lines
from batchgen.report.text import columns, shorten
from batchgen.runcomfy import envelope, reading, verdicts
from batchgen.runcomfy.hosts import AllowedHosts
from batchgen.state import RunState, fold
from batchgen.store import names, pictures
from batchgen.store.formats import Medium, sniff

Check = Callable[[bytes], None]

SECRET = "tok-9f8e7d6c5b4a39281706"
"""The token that no message may hold."""

NOW = datetime(2025, 11, 22, 12, 0, tzinfo=UTC)
_BREAKS = frozenset("\u2028\u2029")
OURS = (errors.AttemptError, errors.JobError, errors.RunError)
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to fuzz: the property in words, and the function that asserts it."""

    name: str
    rule: str
    check: Check


def _is_safe(text: str) -> bool:
    """Tell whether no character of a text can move a terminal's cursor or turn its writing direction."""
    return not any(unicodedata.category(one).startswith("C") or one in _BREAKS for one in text)


def manifest(data: bytes) -> None:
    """Load a YAML manifest and expand its first jobs."""
    try:
        loaded = loader.load(Path("m.yaml"), Overrides(), bundled, data)
    except errors.ManifestError as refused:
        assert refused.problems
        assert all(_is_safe(str(problem)) for problem in refused.problems)
        return
    assert loaded.count() >= 0
    assert all(_is_safe(str(warning)) for warning in loaded.warnings)
    for job in itertools.islice(loaded.jobs(), 20):
        assert job.id == job_id(job.model, job.input, job.repeat)
        assert json.loads(canonical(dict(job.input))) == job.input
        values = {**job.tags, **job.settings, "index": job.index, "slug": job.prompt, "job": job.id}
        _assert_safe_stem(
            names.render(
                loaded.output.name, {**values, "seed": job.seed or "", "model": job.model, "date": "2025-11-22"}
            )
        )


def table(data: bytes) -> None:
    """Read a prompt list; the first byte chooses which kind of file the rest is."""
    suffix = tables.SUFFIXES[data[0] % len(tables.SUFFIXES)] if data else ".txt"
    path = _scratch(f"list{suffix}", data[1:])
    problems = Problems()
    found = tables.read(path, "list", problems)
    cells = []
    for record in found.records if found is not None else ():
        assert found is not None
        assert found.columns is None or tuple(record.values) == tuple(found.columns)
        assert record.line >= 1
        place = record.place(next(iter(record.values), ""))
        assert place.line >= record.line
        assert place.column >= 1
        canonical(dict(record.values))
        cells.append(list(record.values.values()))
    assert all(_is_safe(str(problem)) for problem in problems.errors)
    if suffix == ".csv" and found is not None and not problems.errors:
        _assert_as_csv_reads_it(data[1:], cells)


def _assert_as_csv_reads_it(data: bytes, cells: Sequence[Sequence[object]]) -> None:
    csv.field_size_limit(1 << 24)
    rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
    assert [row for row in rows if row][1:] == list(cells)


class _MemoryDisk(RealDisk):
    """The system's own, without waiting for the platter."""

    def fsync(self, descriptor: int) -> None: ...

    def sync_folder(self, path: Path) -> None: ...


def ledger(data: bytes) -> None:
    """Read a ledger back, report on it, mend its end, and read it back again."""
    path = _scratch("log.jsonl", data)
    try:
        before = list(replay.read(path))
        state = fold(before)
    except errors.LedgerError as refused:
        assert _is_safe(str(refused))
        assert path.read_bytes() == data
        return
    assert said(lambda: replay.load(path)) == said(lambda: state)
    _assert_reports(state, path)
    torn = path.with_name("log.torn")
    torn.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        found = replay.Replay(descriptor, path, writing=True)
        try:
            fold(found)
        except errors.LedgerError:
            return
        size = repair(_MemoryDisk(), descriptor, path, torn, found)
    finally:
        os.close(descriptor)
    mended = path.read_bytes()
    assert len(mended) == size
    kept = torn.read_bytes() if torn.exists() else b""
    assert mended == b"" or mended.endswith(b"\n")
    assert data.startswith(mended[:-1])
    assert data[found.whole :] + b"\n" == kept if found.size > found.whole else kept == b""
    assert list(replay.read(path)) == before


def _assert_reports(state: RunState, path: Path) -> None:
    shown = status(state, path.parent, NOW.timestamp(), running=None)
    ended_badly = failures(state, path.parent, "batchgen run m.yaml")
    for content, told in ((shown, status_lines(shown)), (ended_badly, failure_lines(ended_badly))):
        json.dumps(content, allow_nan=False)
        assert all(_is_safe(line) for line in told)
    for row in exporting.rows(state, replay.read(path)):
        assert len(row) == len(exporting.COLUMNS)


def response(data: bytes) -> None:
    """Read an HTTP answer: a line with the status, lines with headers, an empty line, the body."""
    head, _, body = data.partition(b"\n\n")
    first, *fields = head.decode("latin-1").split("\n")
    code = int(first) if first.isascii() and first.isdigit() and 100 <= int(first[:4]) <= 599 else 200
    headers = CIMultiDict((name.strip(), text.strip()) for name, _, text in (field.partition(":") for field in fields))
    answer = envelope.open_envelope(envelope.Reply(code, headers, body), SECRET, NOW)
    assert answer.retry_after is None or 0 <= answer.retry_after <= envelope.MAX_RETRY_AFTER
    envelope.clock_skew(headers, NOW)
    said = [answer.message]
    try:
        assert verdicts.is_request_id(verdicts.accepted(answer))
    except OURS as verdict:
        said += _words_of(verdict)
    try:
        content = verdicts.usable(answer)
    except OURS as verdict:
        said += _words_of(verdict)
    else:
        reading.cancel_outcome(content)
        said += _words_of_reading(reading.of_status(content)) + _words_of_reading(reading.of_result(content))
        price = base_price_of(content, str(content.get("model_id", "")))
        assert price is None or (price.is_finite() and price >= 0)
        _build_schema(content)
    for text in said:
        assert _is_safe(text)
        assert SECRET not in text
        if not _holds_a_part_of_the_token(body):
            assert SECRET[:8] not in text


def _words_of(verdict: errors.BatchgenError) -> list[str]:
    info = getattr(verdict, "info", None)
    if isinstance(info, errors.ErrorInfo):
        assert len(info.message) <= errors.MAX_MESSAGE
        line = lines.encode(events.Failed(time="2025-11-22T12:00:00Z", job="0" * 32, attempt=1, error=info))
        assert events.from_record(lines.decode(line)) is not None
    return [str(verdict)]


def _words_of_reading(read: Reading) -> list[str]:
    assert len(read.urls) <= reading.MAX_OUTPUTS
    assert read.cost_usd is None or (read.cost_usd.is_finite() and read.cost_usd >= 0)
    error = [read.error.message] if read.error is not None else []
    texts = [text for text in (read.model, read.created_at, read.finished_at) if text is not None]
    for url in read.urls:
        assert SECRET not in url
    return [read.word, *error, *texts]


def _build_schema(content: dict[str, object]) -> None:
    try:
        from_live("a/b", content)
    except ValueError:
        return


def _holds_a_part_of_the_token(body: bytes) -> bool:
    rest = body.lower().replace(SECRET.encode(), b"")  # A status word is folded before it is shown.
    return SECRET[:8].encode() in rest or b"\\" in body


def name(data: bytes) -> None:
    """Render names: the first line is a template, the others `field=value`, a value JSON if it can be."""
    template, *rows = data.decode("utf-8", "replace").split("\n")
    fields: dict[str, object] = {"index": 1, "job": "0" * 32, "seed": 7, "slug": "a fox"}
    for row in rows[:20]:
        key, _, text = row.partition("=")
        fields[key] = _value(text)
    try:
        names.field_names(template)
        first, second = (names.render(template, {**fields, "index": index}) for index in (1, 2))
    except ValueError as refused:
        assert str(refused)
        return
    _assert_safe_stem(first)
    taken = names.Names()
    files: set[str] = set()
    for number, stem in enumerate((first, second, first, second.upper(), f"{first}_1", first)):
        reserved = taken.reserve(stem, f"{number:032x}", 1 + number % 2)
        made = {_key(f"{reserved}{ending}.png") for ending in ("", "_1", "_2", "_3")}
        assert not made & files
        files |= made
        assert all(len(part.encode()) < 250 for part in reserved.split("/"))


def _value(text: str) -> object:
    try:
        value: object = json.loads(text)
        canonical(value)
    except (ValueError, RecursionError):
        return text
    return value


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _assert_safe_stem(stem: str) -> None:
    parts = stem.split("/")
    assert 1 <= len(parts) <= names.MAX_FOLDERS + 1
    for part in parts:
        assert 1 <= len(part.encode()) <= names.MAX_COMPONENT
        assert _is_safe(part)
        assert part == unicodedata.normalize("NFC", part)
        assert part not in (".", "..")
        assert not part.startswith((" ", ".")) and not part.endswith((" ", "."))
        assert not set('/\\:*?"<>|') & set(part)
        assert part.partition(".")[0].rstrip(" ").casefold() not in _RESERVED


REMOTE = AllowedHosts.of(URL("https://model-api.runcomfy.net/v1"), ["cdn.example.com", ".trusted.org"])
LOCAL = AllowedHosts.of(URL("http://127.0.0.1:8123/v1"))


def host(data: bytes) -> None:
    """Check a URL; where it is allowed, hold what aiohttp would connect to against the rule, told anew."""
    text = data.decode("utf-8", "surrogateescape")
    for rule in (REMOTE, LOCAL):
        try:
            url = rule.check(text)
        except errors.FileError as refused:
            assert refused.info.kind == "host"
            assert _is_safe(refused.info.message)
            continue
        assert str(url).isascii()
        if rule is LOCAL and url.origin() == LOCAL.own:
            assert (url.host, url.port, urlsplit(text).hostname) == ("127.0.0.1", 8123, "127.0.0.1")
            continue
        asked = _Spies.get().asked_for(url)
        assert asked is not None
        assert _is_allowed(asked[0].lower())
        assert asked[1] == 443
        assert urlsplit(text).hostname == asked[0].lower()
        assert urlsplit(text).username is None


def _is_allowed(name: str) -> bool:
    own = [name == domain or name.endswith(f".{domain}") for domain in ("runcomfy.net", "runcomfy.com", "trusted.org")]
    return any(own) or name == "cdn.example.com"


class _Spy(AbstractResolver):
    """Notes what is looked up, and finds nothing."""

    asked: tuple[str, int] | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked = (host, port)
        raise OSError("nothing is looked up")

    async def close(self) -> None: ...


class _Spies:
    """A loop and a session of aiohttp that can reach nobody."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._spy = _Spy()
        self._session = self._loop.run_until_complete(self._made())
        atexit.register(self._close)

    @staticmethod
    @cache
    def get() -> _Spies:
        """Return the process's own."""
        return _Spies()

    async def _made(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=self._spy, use_dns_cache=False))

    def _close(self) -> None:
        self._loop.run_until_complete(self._session.close())
        self._loop.close()

    def asked_for(self, url: URL) -> tuple[str, int] | None:
        """Return the host and port that aiohttp looks up for a URL."""
        self._spy.asked = None
        self._loop.run_until_complete(self._get(url))
        return self._spy.asked

    async def _get(self, url: URL) -> None:
        try:
            await self._session.get(url, allow_redirects=False)
        except aiohttp.ClientConnectorError:
            return
        raise AssertionError("somebody answered")


def text(data: bytes) -> None:
    """Make foreign text safe for a terminal, and for a cell of a spreadsheet."""
    foreign = data.decode("utf-8", "surrogateescape")
    assert _is_safe(errors.printable(foreign))
    for width in (1, 2, 10, 80):
        shown = shorten(foreign, width)
        assert _is_safe(shown)
        assert columns(shown) <= width
    cell = exporting.guarded(foreign)
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
    assert not cell.startswith(("\t", "\r", "\n"))
    assert exporting.unguarded(cell) == foreign


def picture(data: bytes) -> None:
    """Decode what says that it is a picture."""
    kind = sniff(data)
    if kind is None or kind.medium is not Medium.IMAGE:
        return
    try:
        size = pictures.size_of(io.BytesIO(data), kind, 1_000_000)
    except errors.FileError as refused:
        assert _is_safe(refused.info.message)
        return
    assert size is None or 0 < size[0] * size[1] <= 1_000_000


@cache
def _folder() -> Path:
    """Return a folder of this process alone."""
    made = tempfile.mkdtemp(prefix="batchgen-fuzz-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def _scratch(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target(
            "manifest", "a manifest, or every mistake with its place; jobs keep their ids, names are safe", manifest
        ),
        Target("table", "records as wide as their header, or mistakes with their places; .csv as RFC 4180", table),
        Target("ledger", "the same events before and after repair, or a refusal; no byte is lost; reports", ledger),
        Target("response", "a value or one of our errors; printable, bounded, without the token", response),
        Target("name", "a safe, bounded path below images/, no two files alike, or a refusal", name),
        Target("host", "what is connected to is an allowed host on port 443", host),
        Target("text", "printable, as narrow as asked, and no formula", text),
        Target("picture", "a size within the bound, or a refusal", picture),
    )
}
