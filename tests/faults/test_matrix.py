"""Every row of the fault matrix happens to the real command, and what it says comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from faults.matrix import ROWS
from faults.page import page
from faults.rows import AND_SO_ON, CODES, ENVELOPES, Row, lines_of
from support.faulty import Endpoint, FaultyApi
from support.inside import Inside, Outside
from support.sandboxed import TOKEN, Book, Ended, Workplace

PAGE = Path(__file__).parents[2] / "docs/faults.md"
LIMITS = {"concurrency": 1, "submits_per_second": 100}


@pytest.fixture
def api() -> FaultyApi:
    """The server, sound."""
    return FaultyApi()


@pytest.fixture
def place(tmp_path: Path, api: FaultyApi) -> Iterator[Workplace]:
    """An empty folder whose environment names the server."""
    here = Workplace.at(tmp_path / "place", api.origin)
    yield here
    here.close()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_fault_comes_to_what_its_row_says(row: Row, place: Workplace, api: FaultyApi) -> None:
    hold_to(row, Inside(place, api))


@pytest.mark.parametrize("row", [row for row in ROWS if row.real], ids=lambda row: row.name)
def test_a_fault_comes_to_the_same_in_a_process_of_its_own(row: Row, place: Workplace, api: FaultyApi) -> None:
    hold_to(row, Outside(place, api))


@pytest.mark.parametrize("endpoint", [Endpoint.SUBMIT, Endpoint.RESULT])
def test_every_error_code_and_every_spelling_arrives_there(endpoint: Endpoint) -> None:
    rows = [row for row in ROWS if row.endpoint is endpoint]
    bodies = [answer.body for row in rows for answer in row.fault.answers if isinstance(answer.body, dict)]

    assert {body["error_code"] for body in bodies if "error_code" in body} >= CODES
    assert {spelling(body) for body in bodies if "error_code" in body} >= ENVELOPES


def test_the_page_is_what_the_rows_make() -> None:
    assert PAGE.read_text("utf-8") == page(), "PYTHONPATH=tests python -m faults.page > docs/faults.md"


def test_every_row_has_a_name_and_a_fault_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert len({(row.endpoint, row.when, row.server, row.jobs) for row in ROWS}) == len(ROWS)


def spelling(body: dict[str, object]) -> str:
    """Return which spelling of the envelope this is."""
    key = next((key for key in body if key in {name.partition(" ")[0] for name in ENVELOPES}), "")
    match body.get(key):
        case dict():
            return f"{key} object"
        case list():
            return f"{key} list"
    return key


def hold_to(row: Row, where: Inside | Outside) -> None:
    """Run the row's command against its faults, then run again against a sound server."""
    place, api = where.place, where.api
    prompts = [f"a fox, {number}" for number in range(row.jobs)]
    place.manifest(prompts, "m", limits={**LIMITS, **row.limits}, **row.manifest)
    if row.left:
        api.queued = True
        assert where.run("run", "m.yaml", "--max-time", "1", "--grace", "0").code == 3
    api.have(row.faults)
    ended = where.run(*row.command)
    hold_to_the_row(row, ended, place.book(), api)
    hold_to_the_promises(ended, place, api)
    stories = history(place.book(), row.jobs)
    api.queued = False
    api.have({})
    hold_to_the_promises(where.run("run", "m.yaml"), place, api)
    assert api.asked[Endpoint.SUBMIT] == sum(is_new(text) for text in stories), "the same command sends what is new"
    assert not place.book().summary()["in_flight"]


def hold_to_the_row(row: Row, ended: Ended, book: Book, api: FaultyApi) -> None:
    """Hold what happened against what the row says."""
    messages = [line["error"]["message"] for line in book.lines() if "error" in line]
    assert ended.code == row.exit, ended.err
    assert as_the_row_has_it(history(book, row.jobs), row.ledger) == row.ledger, ended.err
    assert row.told in "\n".join([ended.out, ended.err, *messages])
    asked = None if row.asked is None else api.asked[row.endpoint]
    assert (api.asked[Endpoint.SUBMIT], asked) == (row.posts, row.asked), api.asked


def hold_to_the_promises(ended: Ended, place: Workplace, api: FaultyApi) -> None:
    """Hold what is true of every row: nothing paid twice, nothing lost, no token and no address where none belongs."""
    book = place.book()
    log = book.log.read_text("utf-8") if book.log.exists() else ""
    known = {line["request_id"] for line in book.lines("submitted")}
    in_doubt = {line["job"] for line in book.lines("unknown")}
    doubted = {line["prompt"] for line in book.lines("submitting") if line["job"] in in_doubt}
    assert api.complaints == []
    assert not [word for word in (TOKEN, f"{api.origin}/files/") if word in f"{log}{ended.out}{ended.err}"]
    assert {prompt for request, prompt in api.taken.items() if request not in known} <= doubted
    assert len(set(api.paid)) == len(api.paid), "the server took a job twice"
    assert not list(book.path.rglob("*.part"))
    if book.lines("run_finished"):
        assert book.summary()["exit_code"] == book.lines("run_finished")[-1]["exit_code"]


def history(book: Book, jobs: int) -> list[str]:
    """Return what the ledger says of each of so many jobs, or more, as rows spell it."""
    found: dict[str, list[str]] = {}
    for line in book.lines():
        if "job" in line:
            found.setdefault(line["job"], []).append(lines_of(line))
    return [", ".join(lines) for lines in found.values()] + [""] * (jobs - len(found))


def as_the_row_has_it(stories: Sequence[str], ledger: Sequence[str]) -> tuple[str, ...]:
    """Return the stories with repeating lines as the row has them, and as one where all are the same and it has one."""
    shortened = tuple(next((text for text in ledger if repeats(story, text)), story) for story in stories)
    return shortened[:1] if len(ledger) == 1 and len(set(shortened)) == 1 else shortened


def repeats(story: str, text: str) -> bool:
    """Tell whether a story has the lines of a text again and again, where the text says that it does."""
    unit = text.removesuffix(AND_SO_ON)
    times = story.count(unit)
    return unit != text and times > 1 and story == ", ".join([unit] * times)


def is_new(story: str) -> bool:
    """Tell whether a job may be sent by the next run."""
    return story.rpartition(", ")[2].partition(" ")[0] in ("", "refused") or story.endswith("cancelled by us")
