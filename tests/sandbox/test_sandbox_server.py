"""The sandbox as a client meets it: a real server in its own process."""

from __future__ import annotations

import http.client
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

T2I = "/v1/models/google/nano-banana-2/text-to-image"
EDIT = "/v1/models/google/nano-banana-2/edit"
TOKEN = {"Authorization": "Bearer t"}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Server:
    process: subprocess.Popen[bytes]
    address: str

    def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] = TOKEN, wait: float = 10
    ) -> Answer:
        link = http.client.HTTPConnection(self.address, timeout=wait)
        try:
            raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            link.request(method, path, raw, headers)
            reply = link.getresponse()
            return Answer(reply.status, reply.headers, reply.read())
        finally:
            link.close()

    def submit(self, prompt: str = "a fox", path: str = T2I, **more: object) -> str:
        return str(self.ask("POST", path, {"prompt": prompt, **more}).json["request_id"])

    def result(self, request_id: str) -> Any:
        return self.ask("GET", f"/v1/requests/{request_id}/result?include_cost=true").json

    def file(self, url: str, headers: dict[str, str] | None = None) -> Answer:
        return self.ask("GET", url.removeprefix(f"http://{self.address}"), headers=headers or {})

    def account(self) -> Any:
        return self.ask("GET", "/sandbox/account?ids=1", headers={}).json

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)


Start = Callable[..., Server]


def _start(directory: Path, *options: str) -> Server:
    command = [sys.executable, "-m", "batchgen.sandbox", "--dir", str(directory), "--parent-pipe", *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    hello = json.loads(process.stdout.readline())
    assert hello == {"event": "listening", "api": hello["api"], "dir": str(directory), "pid": process.pid}
    return Server(process, urlsplit(hello["api"]).netloc)


def _close(server: Server) -> None:
    server.process.kill()
    server.process.wait(10)
    for pipe in (server.process.stdin, server.process.stdout):
        if pipe is not None:
            pipe.close()


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Server] = []

    def launch(directory: Path, *options: str) -> Server:
        started.append(_start(directory, *options))
        return started[-1]

    yield launch
    for server in started:
        _close(server)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose runs are over at once."""
    server = _start(tmp_path_factory.mktemp("quick"), "--service-time", "0")
    yield server
    _close(server)


def test_a_submission_is_answered_with_its_id_and_addresses(quick: Server) -> None:
    answer = quick.ask("POST", T2I, {"prompt": "a fox"})
    base = f"http://{quick.address}/v1/requests/{answer.json['request_id']}"
    assert answer.status == 200
    assert {key: answer.json[key] for key in ("status_url", "result_url", "cancel_url")} == {
        "status_url": f"{base}/status",
        "result_url": f"{base}/result",
        "cancel_url": f"{base}/cancel",
    }


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        (T2I, {"prompt": "x"}, {}, 401, 400004),
        (T2I, {"prompt": "x"}, {"Authorization": "Basic t"}, 401, 400004),
        ("/v1/models/google/none", {"prompt": "x"}, TOKEN, 404, 400001),
        (T2I, {}, TOKEN, 422, 422001),
        (T2I, {"prompt": "x", "resolution": "8K"}, TOKEN, 422, 422001),
        (T2I, {"prompt": "x", "safety_tolerance": "4"}, TOKEN, 422, 422001),
        (T2I, ["x"], TOKEN, 422, 422001),
        (EDIT, {"prompt": "x"}, TOKEN, 422, 422001),
        (T2I, b"{", TOKEN, 400, 400000),
        (T2I, b"", TOKEN, 400, 400000),
        (T2I, b'{"prompt": "\\ud800"}', TOKEN, 400, 400000),
        (T2I, b'{"prompt": "x", "seed": 1e999}', TOKEN, 400, 400000),
        (T2I, b'{"prompt": "x", "seed": NaN}', TOKEN, 400, 400000),
        (T2I, b'{"prompt": "x", "a": ' + b"[" * 99999, TOKEN, 400, 400000),
        (T2I, b" " * ((64 << 20) + 1), TOKEN, 413, 413000),
    ],
)
def test_what_cannot_be_taken_is_refused_in_the_envelope(
    quick: Server, path: str, body: object, headers: dict[str, str], status: int, code: int
) -> None:
    before = quick.account()["accepted"]
    answer = quick.ask("POST", path, body, headers)
    assert (answer.status, answer.json["error_code"]) == (status, code)
    assert answer.json["error_message"]
    assert quick.account()["accepted"] == before


def test_invalid_input_is_explained_by_place(quick: Server) -> None:
    detail = quick.ask("POST", T2I, {"prompt": "x", "num_images": "2"}).json["detail"]
    assert detail == [{"loc": ["body", "num_images"], "msg": '"2" is not of type "integer"', "type": "type"}]


def test_a_finished_run_tells_its_output_times_and_cost(quick: Server) -> None:
    request_id = quick.submit(num_images=2, resolution="2K", enable_web_search=True)
    status = quick.ask("GET", f"/v1/requests/{request_id}/status").json
    assert status["status"] == "completed"
    assert "queue_position" not in status
    result = quick.result(request_id)
    assert (result["status"], result["model_id"]) == ("succeeded", T2I.removeprefix("/v1/models/"))
    assert len(result["output"]["images"]) == 2
    assert result["created_at"] <= result["finished_at"]
    assert result["cost"] == 0.255
    assert "cost" not in quick.ask("GET", f"/v1/requests/{request_id}/result").json


def test_prompts_rehearse_failure_and_moderation(quick: Server) -> None:
    failed = quick.result(quick.submit("a fox [sandbox:fail]"))
    assert (failed["status"], failed["cost"], "output" in failed) == ("failed", 0, False)
    assert failed["error"]["message"]
    assert quick.result(quick.submit("[sandbox:moderated]"))["output"] == {"images": []}
    fewer = quick.result(quick.submit("[sandbox:moderated] fox", num_images=3))
    assert (len(fewer["output"]["images"]), fewer["cost"]) == (2, 0.16)


def test_files_are_pictures_of_the_size_and_format_asked_for(quick: Server) -> None:
    request_id = quick.submit(aspect_ratio="16:9", resolution="0.5K", output_format="jpeg", num_images=2)
    urls = quick.result(request_id)["output"]["images"]
    answers = [quick.file(url) for url in urls]
    assert [urlsplit(url).path.rsplit("/", 1)[1] for url in urls] == ["1.jpeg", "2.jpeg"]
    assert all(answer.headers["Content-Type"] == "image/jpeg" for answer in answers)
    assert answers[0].body != answers[1].body
    with Image.open(io.BytesIO(answers[0].body)) as image:
        assert (image.format, image.size) == ("JPEG", (680, 384))


def test_edit_takes_its_own_count_and_input_images(quick: Server) -> None:
    urls = ["https://example.com/1.png", "https://example.com/2.png"]
    request_id = quick.submit(path=EDIT, image_urls=urls, number_of_images=3, resolution="0.5K")
    images = quick.result(request_id)["output"]["images"]
    assert len(images) == 3
    assert quick.file(images[2]).status == 200


def test_a_file_key_must_arrive_unchanged_and_without_a_token(quick: Server) -> None:
    url = quick.result(quick.submit(resolution="0.5K"))["output"]["images"][0]
    assert "%3D" in url
    before = quick.account()["token_leaks"]
    assert quick.file(url.replace("%3D", "=")).status == 404
    assert quick.file(url.replace("1.png", "2.png")).status == 404
    assert quick.file(url.replace("1.png", "1.webp")).status == 404
    assert quick.account()["token_leaks"] == before
    assert quick.file(url, TOKEN).status == 400
    assert quick.account()["token_leaks"] == before + 1


def test_the_catalog_shows_models_prices_and_schemas(quick: Server) -> None:
    listing = quick.ask("GET", "/v1/models?search=nano&limit=1&offset=1").json
    assert (listing["total"], len(listing["models"]), "input_schema" in listing["models"][0]) == (2, 1, False)
    assert quick.ask("GET", "/v1/models?search=sora").json == {"models": [], "total": 0}
    assert quick.ask("GET", "/v1/models?category=edit&kind=model").json["total"] == 1
    assert quick.ask("GET", "/v1/models?limit=501").status == 422
    assert quick.ask("GET", "/v1/models/categories").json == {"categories": ["edit", "text-to-image"]}
    detail = quick.ask("GET", T2I).json
    assert (detail["base_price_usd"], detail["price_unit"], detail["kind"]) == (0.08, "output", "model")
    assert detail["input_schema"]["required"] == detail["required_inputs"] == ["prompt"]
    assert quick.ask("GET", "/v1/models/google/none").json["error_code"] == 400001


def test_an_unknown_request_is_gone(quick: Server) -> None:
    for method, verb in (("GET", "status"), ("GET", "result"), ("POST", "cancel")):
        answer = quick.ask(method, f"/v1/requests/none/{verb}")
        assert (answer.status, answer.json["error_code"]) == (404, 404001)


def test_queued_requests_have_positions_and_only_they_can_be_cancelled(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path, "--slots", "1", "--service-time", "60", "--service-spread", "0")
    running, second, third = (server.submit() for _ in range(3))

    def state(request_id: str) -> tuple[object, object]:
        answer = server.ask("GET", f"/v1/requests/{request_id}/status").json
        return answer["status"], answer.get("queue_position")

    assert [state(r) for r in (running, second, third)] == [("in_progress", None), ("in_queue", 1), ("in_queue", 2)]
    outcomes = [server.ask("POST", f"/v1/requests/{r}/cancel") for r in (running, second)]
    assert [(o.status, o.json["outcome"]) for o in outcomes] == [(202, "not_cancellable"), (202, "cancelled")]
    assert [state(r) for r in (second, third)] == [("cancelled", None), ("in_queue", 1)]
    assert server.result(second)["status"] == "cancelled"
    account = server.account()
    assert (account["accepted"], account["cancelled"], account["charged_usd"]) == (3, 1, 0)
    server.end()
    again = start(tmp_path, "--slots", "2", "--service-time", "60")
    assert again.account()["in_progress"] == 2


def test_no_balance_and_a_wrong_token_are_told_by_code(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path, "--balance", "0.1", "--token", "secret", "--service-time", "0")
    secret = {"Authorization": "Bearer secret"}
    assert server.ask("POST", T2I, {"prompt": "x"}).json["error_code"] == 400004
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: server.ask("POST", T2I, {"prompt": f"{n}"}, secret), range(4)))
    assert sorted(answer.status for answer in answers) == [200, 400, 400, 400]
    assert {answer.json.get("error_code") for answer in answers} == {None, 400002}
    balance = server.ask("GET", "/prod/v2/balance", headers=secret).json
    assert balance == {"balance_microdollars": 20000, "balance_usd": 0.02, "currency": "USD"}


def test_results_and_files_expire(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path, "--retention", "0", "--service-time", "0")
    request_id = server.submit()
    time.sleep(0.01)
    answer = server.ask("GET", f"/v1/requests/{request_id}/result")
    assert (answer.status, answer.json["error_code"]) == (404, 404001)
    assert server.file(f"/files/k%3D/{request_id}/1.png").status == 404


def test_a_kill_loses_no_accepted_request(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path, "--service-time", "0")
    answered: list[str] = []

    def keep_submitting(lane: int) -> None:
        try:
            while True:
                answered.append(server.submit(f"lane {lane}"))
        except (OSError, http.client.HTTPException):
            return

    with ThreadPoolExecutor(4) as pool:
        lanes = [pool.submit(keep_submitting, lane) for lane in range(4)]
        while len(answered) < 40 and not any(lane.done() for lane in lanes):
            time.sleep(0.005)
        server.end(signal.SIGKILL)
    with (tmp_path / "requests.jsonl").open("ab") as log:
        log.write(b'{"op": "accepted", "at": 17')
    again = start(tmp_path)
    account = again.account()
    assert len(answered) >= 40
    assert set(answered) <= set(account["accepted_ids"])
    assert again.result(answered[0])["status"] == "succeeded"
    lines = again.ask("GET", "/sandbox/requests", headers={}).body.splitlines()
    assert [json.loads(line)["request_id"] for line in lines] == account["accepted_ids"]
    assert json.loads(lines[0])["input"]["prompt"].startswith("lane ")
    again.end()
    assert json.loads(_run("--dir", str(tmp_path), "--account").stdout) == account


def test_a_stopped_sandbox_ends_at_once_with_0(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path, "--faults", '[{"on": "status", "do": "hang"}]')
    request_id = server.submit()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.ask, "GET", f"/v1/requests/{request_id}/status")
        while not server.account()["fault_counts"]:
            time.sleep(0.01)
        assert server.end(signal.SIGTERM) == 0
        assert waiting.exception(10) is not None


def test_an_orphan_ends_when_its_parent_does(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path)
    assert server.process.stdin is not None
    server.process.stdin.close()
    assert server.process.wait(10) == 0


def _run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "batchgen.sandbox", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--host", "0.0.0.0"], 64, "not a loopback address; use 127.0.0.1"),
        (["--slots", "0"], 64, "use 1 or more"),
        (["--faults", "flakey"], 64, "no such profile or file"),
        (["--account"], 65, "no requests.jsonl"),
        (["--nonsense"], 64, "unrecognized arguments"),
    ],
)
def test_what_cannot_be_started_is_explained(tmp_path: Path, options: list[str], code: int, message: str) -> None:
    done = _run("--dir", str(tmp_path), *options)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr


RULES = [
    {"on": "submit", "do": "rate_limit", "retry_after": 7, "match": "[429]"},
    {"on": "submit", "do": "status", "status": 502, "body": "<h1>bad gateway</h1>", "match": "[502]"},
    {"on": "submit", "do": "error_code", "code": 400002, "spelling": "message", "match": "[code]"},
    {"on": "submit", "do": "redirect", "location": "http://elsewhere.invalid/", "match": "[302]"},
    {"on": "submit", "do": "drop_before", "match": "[drop-before]"},
    {"on": "submit", "do": "drop_after", "match": "[drop-after]"},
    {"on": "submit", "do": "hang", "accept": True, "match": "[hang]", "seconds": 0.1},
    {"on": "submit", "do": "no_id", "match": "[no-id]"},
    {"on": "submit", "do": "empty", "match": "[empty]"},
    {"on": "submit", "do": "fail", "error": "boom", "match": "[fail]"},
    {"on": "result", "do": "fail", "error": ["late"], "match": "[late-fail]", "nth": [1]},
    {"on": "result", "do": "output", "output": {"items": [{"url": "{url}"}]}, "match": "[output]"},
    {"on": "result", "do": "truncate", "match": "[cut-result]"},
    {"on": "file", "do": "truncate", "match": "[cut-file]"},
    {"on": "file", "do": "html_file", "match": "[html]"},
    {"on": "file", "do": "wrong_format", "match": "[wrong]"},
    {"on": "file", "do": "oversize", "size": 3000000, "match": "[large]"},
    {"on": "file", "do": "slow_file", "seconds": 0.1, "match": "[slow]"},
]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one rule for every marked prompt."""
    folder = tmp_path_factory.mktemp("faulty")
    server = _start(folder, "--service-time", "0", "--faults", json.dumps(RULES))
    yield server
    _close(server)


def _count(server: Server, fault: str) -> tuple[int, int]:
    account = server.account()
    return account["accepted"], account["fault_counts"].get(fault, 0)


@pytest.mark.parametrize(
    ("mark", "fault", "accepted", "status"),
    [
        ("[429]", "rate_limit", 0, 429),
        ("[502]", "status", 0, 502),
        ("[code]", "error_code", 0, 200),
        ("[302]", "redirect", 0, 302),
        ("[drop-before]", "drop_before", 0, None),
        ("[drop-after]", "drop_after", 1, None),
        ("[hang]", "hang", 1, None),
        ("[no-id]", "no_id", 1, 200),
        ("[empty]", "empty", 1, 200),
        ("[fail]", "fail", 1, 200),
    ],
)
def test_a_submit_fault_accepts_or_not_and_is_counted(
    faulty: Server, mark: str, fault: str, accepted: int, status: int | None
) -> None:
    before = _count(faulty, f"submit:{fault}")
    if status is None:
        with pytest.raises((OSError, http.client.HTTPException)):
            faulty.ask("POST", T2I, {"prompt": mark})
    else:
        answer = faulty.ask("POST", T2I, {"prompt": mark})
        assert answer.status == status
        assert (b"request_id" in answer.body) is (fault == "fail")
    assert _count(faulty, f"submit:{fault}") == (before[0] + accepted, before[1] + 1)


def test_a_rate_limit_can_say_when_to_come_back(faulty: Server) -> None:
    assert faulty.ask("POST", T2I, {"prompt": "[429]"}).headers["Retry-After"] == "7"


def test_a_run_can_fail_at_acceptance_or_at_its_end(faulty: Server) -> None:
    late = faulty.submit("[late-fail]")
    assert faulty.result(late) == faulty.result(late)
    assert (faulty.result(late)["error"], faulty.result(late)["cost"]) == (["late"], 0)
    assert faulty.result(faulty.submit("[fail]"))["error"] == "boom"


def test_output_can_have_any_shape(faulty: Server) -> None:
    request_id = faulty.submit("[output]", resolution="0.5K")
    url = faulty.result(request_id)["output"]["items"][0]["url"]
    assert url == f"http://{faulty.address}/files/k%3D/{request_id}/1.png"
    assert faulty.file(url).status == 200


def _file_of(server: Server, mark: str) -> Answer:
    request_id = server.submit(mark, resolution="0.5K")
    return server.file(server.result(request_id)["output"]["images"][0])


def test_bodies_can_be_cut_swapped_and_stretched(faulty: Server) -> None:
    with pytest.raises(http.client.IncompleteRead):
        faulty.result(faulty.submit("[cut-result]"))
    with pytest.raises(http.client.IncompleteRead):
        _file_of(faulty, "[cut-file]")
    assert _file_of(faulty, "[html]").headers["Content-Type"].startswith("text/html")
    wrong = _file_of(faulty, "[wrong]")
    assert (wrong.headers["Content-Type"], wrong.body[:2]) == ("image/png", b"\xff\xd8")
    assert len(_file_of(faulty, "[large]").body) == 3000000
    with Image.open(io.BytesIO(_file_of(faulty, "[slow]").body)) as image:
        assert image.size == (512, 512)
