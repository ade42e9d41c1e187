"""What a newcomer gets wrong: one clear message, the way out in it, an exit code, and nothing sent or changed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from support.sandboxed import MODEL, Ended, Sandbox, Workplace
from support.scripted import Scripted

GOOD = f"model: {MODEL}\nprompts: [a fox]\npricing: {{base_usd: 0.08}}\n"


def write(place: Workplace, text: str = GOOD, name: str = "m.yaml") -> str:
    """Write a file of this text."""
    (place.folder / name).write_text(text, encoding="utf-8")
    return name


def is_one_message(ended: Ended) -> bool:
    """Whether a person is told one thing: one line, or click's usage, hint and one error line."""
    lines = [line for line in ended.err.splitlines() if line]
    if lines and lines[0].startswith("Usage:"):
        return sum(line.startswith("Error:") for line in lines) == 1 and len(lines) <= 6
    return len(lines) == 1


def check(ended: Ended, code: int, *words: str) -> None:
    """Hold that there is one message with all these words, the code is right, and standard output is empty."""
    assert ended.code == code, ended.err
    assert is_one_message(ended), ended.err
    assert [word for word in words if word not in ended.err] == [], ended.err
    assert ended.out == ""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake: in the manifest's text, the options or the environment, and the words that must answer it."""

    words: list[str]
    text: str = GOOD
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


IN_THE_MANIFEST = {
    "key": Mistake(["m.yaml:2:1: ", "promts", "prompts"], GOOD.replace("prompts", "promts")),
    "setting": Mistake(["m.yaml:4:12: ", "aspect_ratoi", "aspect_ratio"], GOOD + "settings: {aspect_ratoi: '1:1'}\n"),
    "ratio": Mistake(["m.yaml:4:26: ", "16:10", "16:9"], GOOD + "settings: {aspect_ratio: 16:10}\n"),
    "limit": Mistake(["m.yaml:4:10: ", "concurency", "concurrency"], GOOD + "limits: {concurency: 4}\n"),
    "prompt file": Mistake(["m.yaml:2:", "nowhere.txt"], GOOD.replace("[a fox]", "[file: nowhere.txt]")),
    "model": Mistake(["m.yaml:1:8: ", "nano-bananna-2", MODEL], GOOD.replace("nano-banana-2", "nano-bananna-2")),
    "key twice": Mistake(["m.yaml:4:1: ", "prompts"], GOOD + "prompts: [again]\n"),
}
IN_THE_COMMAND = {
    "option": Mistake(["--colour"], options=("--colour",)),
    "duration": Mistake(["--grace", "soon"], options=("--grace", "soon")),
    "set": Mistake(["--set", "key=value"], options=("--set", "resolution")),
    "set value": Mistake(["--set", "3K", "2K"], options=("--set", "resolution=3K")),
    "where": Mistake(["--where", "KEY=VALUE"], options=("--where", "resolution")),
    "cost": Mistake(["--max-cost", "much"], options=("--max-cost", "much")),
    "jobs": Mistake(["--max-jobs", "-1"], options=("--max-jobs", "-1")),
    "concurrency": Mistake(["--concurrency", "0"], options=("-j", "0")),
    "host": Mistake(["--allow-host"], options=("--allow-host", "https://cdn.example.com/")),
    "base": Mistake(
        ["RUNCOMFY_MODEL_API_BASE", "https"], environment={"RUNCOMFY_MODEL_API_BASE": "http://api.example.com/v1"}
    ),
    "budget": Mistake(["BATCHGEN_MAX_COST_USD"], environment={"BATCHGEN_MAX_COST_USD": "five"}),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, quick: Sandbox) -> dict[str, Ended]:
    """What every mistake is answered with; the commands run two at a time, as each is short and all are many."""

    def make(item: tuple[str, Mistake]) -> tuple[str, Ended]:
        name, mistake = item
        place = Workplace.at(tmp_path_factory.mktemp("mistake") / "place", quick.origin, **mistake.environment)
        return name, place.run("run", write(place, mistake.text), *mistake.options)

    accepted = quick.accepted()
    with ThreadPoolExecutor(2) as pool:
        found = dict(pool.map(make, (IN_THE_MANIFEST | IN_THE_COMMAND).items()))
    assert quick.accepted() == accepted, "a mistake was sent"
    return found


@pytest.mark.parametrize("name", IN_THE_MANIFEST)
def test_a_mistake_in_the_manifest_is_named_with_place_and_remedy(answers: dict[str, Ended], name: str) -> None:
    check(answers[name], 65, *IN_THE_MANIFEST[name].words)


@pytest.mark.parametrize("name", IN_THE_COMMAND)
def test_what_cannot_be_meant_is_a_usage_error(answers: dict[str, Ended], name: str) -> None:
    check(answers[name], 64, *IN_THE_COMMAND[name].words)


def test_all_mistakes_are_told_at_once(place: Workplace) -> None:
    wrong = "settings: {resolution: 3K}\nnmae: x\nlimits: {concurrency: none}\nprompts: [again]\n"
    ended = place.run("run", write(place, GOOD + wrong))

    assert ended.code == 65
    places = [line.split(": ")[0] for line in ended.err.splitlines()]
    assert places == ["m.yaml:4:24", "m.yaml:5:1", "m.yaml:6:23", "m.yaml:7:1"]


def test_a_missing_manifest_is_named(place: Workplace, quick: Sandbox) -> None:
    check(place.run("run", "nowhere.yaml"), 65, "nowhere.yaml")


@pytest.mark.parametrize("command", ["run", "plan"])
def test_no_token_names_both_ways_out(place: Workplace, quick: Sandbox, command: str) -> None:
    place.environment["RUNCOMFY_TOKEN"] = ""
    ended = place.run(command, write(place))

    if command == "plan":
        assert ended.code == 0, "a plan with a price of its own needs nobody"
    else:
        check(ended, 77, "RUNCOMFY_TOKEN", "--sandbox")
        assert not (place.folder / "runs").exists()


def test_a_wrong_token_is_found_before_anything_is_sent(place: Workplace, quick: Sandbox) -> None:
    """The catalog is asked for the price first, and that is free."""
    accepted = quick.accepted()
    place.environment["RUNCOMFY_TOKEN"] = "stale"

    check(place.run("run", place.manifest(["a fox"], pricing={})), 77, "RUNCOMFY_TOKEN")
    assert quick.accepted() == accepted
    assert place.book().count("submitting") == 0


def test_a_wrong_token_at_the_first_post_stops_the_run_and_resumes(place: Workplace, quick: Sandbox) -> None:
    accepted = quick.accepted()
    manifest = place.manifest([f"a fox number {number}" for number in range(20)], limits={"submits_per_second": 4})
    place.environment["RUNCOMFY_TOKEN"] = "stale"
    ended = place.run("run", manifest, "-q")

    assert ended.code == 77, ended.err
    assert "RUNCOMFY_TOKEN" in ended.err
    assert quick.accepted() == accepted
    assert place.book().summary()["new"] == 20
    assert place.book().count("refused") == place.book().count("submitting") < 20


@pytest.mark.parametrize("folder", ["m.yaml/run", "/proc/nowhere"])
def test_a_folder_that_cannot_be_written_is_named(place: Workplace, quick: Sandbox, folder: str) -> None:
    accepted = quick.accepted()
    check(place.run("run", write(place), "-o", folder), 73, folder)
    assert quick.accepted() == accepted


def test_a_log_file_that_cannot_be_written_is_named(place: Workplace, quick: Sandbox) -> None:
    accepted = quick.accepted()
    check(place.run("run", write(place), "-q", "--log-file", "nowhere/log.txt"), 73, "nowhere/log.txt")
    assert quick.accepted() == accepted


def test_a_budget_without_a_price_is_refused_before_anything_is_sent(place: Workplace) -> None:
    with Scripted(catalog=503) as server:
        manifest = place.manifest(["a fox"], pricing={}, limits={"max_cost_usd": 1})
        place.use(server.origin)
        ended = place.run("run", manifest)

    assert ended.code == 65, ended.err
    assert "base_usd" in ended.err
    assert server.posts == 0
    assert place.book().count("submitting") == 0


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory, stuck: Sandbox) -> Iterator[Workplace]:
    """A place where a run goes on and on."""
    here = Workplace.at(tmp_path_factory.mktemp("held") / "place", stuck.origin)
    process = here.start("run", here.manifest(["a fox that waits"]))
    here.book().wait_for(process, "submitted")
    yield here
    here.close()


@pytest.mark.parametrize("command", [("run", "m.yaml"), ("fetch", "runs/m")])
def test_a_second_run_at_once_fails_or_is_skipped_as_wished(held: Workplace, command: tuple[str, str]) -> None:
    first = held.running[0]
    failed, skipped = held.run_all(command, [*command, "--if-running", "skip", "-q"])

    assert (failed.code, skipped.code) == (75, 0)
    assert is_one_message(failed)
    assert "another run holds" in failed.err
    assert str(first.pid) in failed.err
    assert skipped.err == ""
    assert first.poll() is None


def test_status_reads_beside_a_running_run(held: Workplace) -> None:
    status = held.run("status", "m.yaml", "--json")

    assert status.code == 0
    assert {key: status.json[key] for key in ("running", "jobs", "in_flight", "done")} == {
        "running": True,
        "jobs": 1,
        "in_flight": 1,
        "done": 0,
    }


def test_requests_of_another_origin_are_not_asked_for(place: Workplace, held: Workplace, stuck: Sandbox) -> None:
    """Requests in flight are asked only where they were sent to: another account would call them unknown."""
    target = place.folder / "runs" / "m"
    target.mkdir(parents=True)
    (target / "log.jsonl").write_bytes(held.book().log.read_bytes())
    place.manifest(["a fox that waits"])
    for command in (("run", "m.yaml"), ("fetch", "runs/m")):
        ended = place.run(*command)
        assert ended.code == 64, ended.err
        assert stuck.origin in ended.err
        assert place.environment["RUNCOMFY_MODEL_API_BASE"] in ended.err


def test_an_unknown_run_is_named(place: Workplace, quick: Sandbox) -> None:
    write(place)
    (place.folder / "empty").mkdir()
    commands = (("status", "nowhere"), ("status", "empty"), ("fetch", "nowhere"), ("fetch", "m.yaml"))
    for (_, run), ended in zip(commands, place.run_all(*commands), strict=True):
        check(ended, 65, run)


def test_the_sandbox_refuses_what_it_cannot_be(place: Workplace) -> None:
    everywhere, nowhere = place.run_all(["sandbox", "--host", "0.0.0.0"], ["sandbox", "--port", "-5"])
    check(everywhere, 64, "0.0.0.0")
    check(nowhere, 64, "-5")
