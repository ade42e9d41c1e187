"""SIGKILL, to client and server, at any moment: nothing is paid for twice without being asked, nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from PIL import Image
from support import sandboxed
from support.sandboxed import Book, Sandbox, Workplace

JOBS = 40


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a client, as a power cut would."""
    process.kill()
    process.communicate()


def balance_the_books(book: Book, server: Sandbox) -> int:
    """Hold the ledger against the server's account; return how many accepted requests no attempt knows of."""
    known = {line["request_id"]: line["job"] for line in book.lines("submitted")}
    accepted = server.account()["accepted_ids"]
    prompts = dict(zip(accepted, server.accepted_prompts(), strict=True))
    intents = Counter(line["prompt"] for line in book.lines("submitting"))
    settled = Counter(line["prompt"] for line in book.lines("submitting") if is_refused(book, line))

    assert known.keys() <= prompts.keys(), "the ledger names requests that the server never accepted"
    assert Counter(prompts.values()) <= intents - settled, "more was accepted than was ever sent"
    return len(prompts.keys() - known.keys())


def is_refused(book: Book, intent: sandboxed.Line) -> bool:
    """Whether this very attempt was certainly not taken."""
    attempt = (intent["job"], intent["attempt"])
    return any((line["job"], line["attempt"]) == attempt for line in book.lines("refused"))


def test_a_batch_survives_kills_of_client_server_and_both(tmp_path: Path) -> None:
    with sandboxed.sandbox(tmp_path / "server", "--service-time", "0.1") as server:
        place = Workplace.at(tmp_path / "place", server.origin)
        prompts = [f"a fox with {number} lives" for number in range(JOBS)]
        manifest = place.manifest(prompts, limits={"concurrency": 6, "submits_per_second": 200})
        book = place.book()

        client = place.start("run", manifest)
        book.wait_for(client, "submitting", 3)
        kill(client)

        client = place.start("run", manifest)
        book.wait_for(client, "submitted", 10)
        server.restart()
        book.wait_for(client, "done", 12)
        kill(client)

        client = place.start("run", manifest)
        book.wait_for(client, "done", 20)
        server.end()
        kill(client)
        server.start()

        ended = place.run("run", manifest)
        assert ended.code in (0, 4), ended.err
        resubmitted = place.run("run", manifest, "--on-unknown", "resubmit", "-q")
        assert resubmitted.code == 0, resubmitted.err

        orphans = balance_the_books(book, server)
        assert server.accepted() == JOBS + orphans
        assert Counter(line["prompt"] for line in book.lines("done")) == Counter(prompts)
        assert book.files() == book.named_files()
        assert len(book.files()) == JOBS
        assert book.summary()["done"] == JOBS
        assert [path.name for path in book.path.rglob("*.part")] == []
        for path in book.files():
            with Image.open(book.path / path) as picture:
                picture.load()
        place.close()


def test_a_killed_rehearsal_takes_its_sandbox_along_and_resumes(tmp_path: Path) -> None:
    """Even with standard error closed, whose number a file of the run may then have."""
    place = Workplace.at(tmp_path / "place")
    arguments = ("run", place.manifest(["a fox", "a heron"]), "--sandbox", "-q")
    wrap = ("bash", "-c", 'exec "$@" 2>&-', "bash")
    book = place.book("m-sandbox")
    client = place.start(*arguments, wrap=wrap)
    book.wait_for(client, "submitted", 2)
    kill(client)

    assert place.run(*arguments, wrap=wrap).code == 0
    assert book.count("submitting") == book.count("done") == 2
    assert book.files() == book.named_files()
    assert account_of(book.path / "sandbox")["accepted"] == 2
    place.close()


def account_of(folder: Path) -> sandboxed.Line:
    """Return the account of a sandbox that has ended."""
    command = [sys.executable, "-m", "batchgen.sandbox", "--dir", str(folder), "--account"]
    account: sandboxed.Line = json.loads(subprocess.check_output(command, timeout=sandboxed.PATIENCE_S))
    return account
