"""`python tests/crash/mutations.py`: each rule that keeps money safe is broken in a copy, and something must notice.

A mutation is a replacement of text, and the smallest check that has to fail by it. One whose text is not there any more
is a failure: it protects nothing. Exit 1 unless every mutation applies and is caught.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
COPIED = ("batchgen", "tests", "pyproject.toml")
LONGEST_S = 240
NOTICED = (" violations, seed", "FAILED tests/")
"""How the suites and pytest say that a rule does not hold."""

SUITE = ("tests/crash/suite.py",)
POINTS = (*SUITE, "--only", "points", "--scenario")
POWER = (*SUITE, "--only", "power", "--scenario")
PYTEST = ("-m", "pytest", "-n0", "-x", "-p", "no:cacheprovider")


@dataclass(frozen=True, slots=True)
class Mutation:
    """A rule, how it is broken (`old` stands once in `file`), and the command that must fail then."""

    rule: str
    file: str
    old: str
    new: str
    check: tuple[str, ...]

    def applied(self, project: Path) -> str:
        """Return the text of the file with the rule broken. Raises ValueError where it does not apply."""
        text = (project / self.file).read_text(encoding="utf-8")
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"{self.file}: the text to replace stands there {times} times")
        return text.replace(self.old, self.new)


_SUBMITTED = "        await self._recorder.record(submitted)\n"
_INTENT = "        await self._recorder.record(self._intent(work))\n"

MUTATIONS = (
    Mutation(
        "submitted is durable before the first poll",
        "batchgen/engine/submit.py",
        _SUBMITTED,
        "        asyncio.get_running_loop().call_later(\n"
        "            5.0, lambda: asyncio.ensure_future(self._recorder.record(submitted))\n"
        "        )\n",
        (*POINTS, "main", "--at", "before Client.status #1"),
    ),
    Mutation(
        "submitting is durable before the POST",
        "batchgen/engine/submit.py",
        _INTENT,
        "        asyncio.get_running_loop().call_later(\n"
        "            0.1, lambda: asyncio.ensure_future(self._recorder.record(self._intent(work)))\n"
        "        )\n",
        (*POINTS, "main", "--at", "after Client.submit #1"),
    ),
    Mutation(
        "a caller goes on only after its line's fsync",
        "batchgen/ledger/journal.py",
        "        await durable\n",
        "        await asyncio.sleep(0)\n",
        (*POWER, "main"),
    ),
    Mutation(
        "the ledger is synced",
        "batchgen/ledger/appender.py",
        "        self.syncs += 1\n        try:\n            self._disk.fsync(self._descriptor)\n",
        "        self.syncs += 1\n        try:\n            pass\n",
        (*POWER, "main"),
    ),
    Mutation(
        "the bytes of a picture are synced before its name",
        "batchgen/store/saving.py",
        "                self._place.disk.fsync(part.fileno())\n",
        "",
        (*POWER, "main"),
    ),
    Mutation(
        "the folder is synced before done",
        "batchgen/store/writer.py",
        "            self._disk.sync_folder(folder)\n",
        "            pass\n",
        (*POWER, "main"),
    ),
    Mutation(
        "done comes after the renames",
        "batchgen/store/saving.py",
        "            self._rename(part.path, folder / name)\n",
        "            later = (part.path, folder / name)\n"
        '            __import__("threading").Timer(0.2, self._rename, later).start()\n',
        (*POINTS, "main", "--at", "after Journal.append done #1"),
    ),
    Mutation(
        "a picture arrives under a hidden name",
        "batchgen/store/parts.py",
        '    return f".{component(job)}-{attempt}-{number}{_SUFFIX}"\n',
        '    return f"{job}-{attempt}-{number}.jpg"\n',
        (*POINTS, "main", "--at", "after RealDisk.write image #1"),
    ),
    Mutation(
        "a ledger's folder is synced",
        "batchgen/ledger/appender.py",
        "                self._disk.close(descriptor)\n            self._disk.sync_folder(self._path.parent)\n",
        "                self._disk.close(descriptor)\n",
        (*PYTEST, "tests/ledger"),
    ),
    Mutation(
        "a file is replaced by a synced one",
        "batchgen/ledger/files.py",
        "        write_whole(disk, descriptor, data)\n        disk.fsync(descriptor)\n",
        "        write_whole(disk, descriptor, data)\n",
        (*POWER, "main"),
    ),
    Mutation(
        "a torn end is cut off",
        "batchgen/ledger/repair.py",
        "            disk.truncate(descriptor, found.whole)\n",
        "            pass\n",
        (*POINTS, "torn", "--at", "after RealDisk.fsync log.jsonl #1"),
    ),
    Mutation(
        "a torn end is kept before it is cut",
        "batchgen/ledger/repair.py",
        "            _save(disk, descriptor, torn, found)\n",
        "",
        (*PYTEST, "tests/ledger/test_ledger_repair.py"),
    ),
    Mutation(
        "what a dead process wrote is synced before it is believed",
        "batchgen/ledger/repair.py",
        "        disk.fsync(descriptor)\n    except",
        "    except",
        (*PYTEST, "tests/ledger/test_ledger_repair.py"),
    ),
    Mutation(
        "an unknown submission is not sent again unasked",
        "batchgen/plan.py",
        "return Action.POST if policy.resubmit_unknown and _may_resend(known, policy) else Action.HOLD",
        "return Action.POST if not policy.fetch else Action.HOLD",
        (*POINTS, "main", "--at", "after Client.submit #1"),
    ),
    Mutation(
        "a submitting alone is an unknown submission",
        "batchgen/state/attempts.py",
        "    Fact.SUBMITTING: State.UNKNOWN,\n",
        "    Fact.SUBMITTING: State.NEW,\n",
        (*POINTS, "main", "--at", "after Client.submit #1"),
    ),
    Mutation(
        "one run at a time holds the directory",
        "batchgen/ledger/lock.py",
        "        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "        pass\n",
        (*PYTEST, "tests/ledger/test_ledger_lock.py"),
    ),
    Mutation(
        "a POST that may have been taken is not repeated",
        "batchgen/engine/submit.py",
        "        if not isinstance(error, errors.Refused):\n",
        "        if not isinstance(error, errors.AttemptError):\n",
        (*PYTEST, "tests/engine/test_engine.py"),
    ),
    Mutation(
        "a connection that broke after sending leaves an unknown",
        "batchgen/runcomfy/client.py",
        "        if wire.begun:\n            return errors.Ambiguous",
        "        if False:\n            return errors.Ambiguous",
        (*PYTEST, "tests/runcomfy/test_runcomfy_submit.py"),
    ),
    Mutation(
        "what is in flight is collected at the start",
        "batchgen/cli/stream.py",
        "    yield from collecting\n",
        "    yield from ()\n",
        (*POINTS, "main", "--at", "before Client.status #1"),
    ),
    Mutation(
        "no two jobs share a name",
        "batchgen/store/names.py",
        "        name = next(name for name in _candidates(stem, job, attempt) if self._is_free(name))\n",
        "        name = next(_candidates(stem, job, attempt))\n",
        (*POINTS, "cancel", "--at", "after Journal.append run_finished #1"),
    ),
    Mutation(
        "names of earlier runs are taken",
        "batchgen/cli/naming.py",
        "Names(state.names(), Standing(run_dir))",
        "Names()",
        (*POINTS, "cancel", "--at", "before Appender.commit #3"),
    ),
    Mutation(
        "a done is never undone",
        "batchgen/state/fold.py",
        "        if attempt.fact is Fact.DONE and not isinstance(event, events.Done):\n",
        "        if False:\n",
        (*PYTEST, "tests/state/test_state.py"),
    ),
    Mutation(
        "a ledger that cannot be written ends all POSTs",
        "batchgen/ledger/journal.py",
        "            tell(failed)\n",
        "            pass\n",
        (*PYTEST, "tests/ledger/test_ledger_faults.py"),
    ),
    Mutation(
        "a cancellation is believed once the result says it",
        "batchgen/engine/cancel.py",
        "            if reading is None or reading.phase is not Phase.CANCELLED:\n",
        "            if reading is None:\n",
        (*PYTEST, "tests/engine/test_engine_cancel.py"),
    ),
)


def survives(mutation: Mutation, folder: Path) -> str:
    """Break the rule in a copy and return why nobody noticed; empty if somebody did."""
    try:
        broken = mutation.applied(PROJECT)
    except ValueError as error:
        return str(error)
    target = folder / mutation.file
    sound = target.read_text(encoding="utf-8")
    target.write_text(broken, encoding="utf-8")
    try:
        ended = _check(mutation, folder)
    except subprocess.TimeoutExpired as error:
        return str(error)
    finally:
        target.write_text(sound, encoding="utf-8")
    # A check that breaks down has noticed nothing.
    noticed = ended.returncode == 1 and any(word in ended.stdout for word in NOTICED)
    return "" if noticed else f"exit code {ended.returncode}\n{ended.stdout[-2000:]}"


def _check(mutation: Mutation, folder: Path) -> subprocess.CompletedProcess[str]:
    paths = {"PYTHONPATH": str(folder), "TMPDIR": str(folder)}
    environment = {**os.environ, **paths, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *mutation.check],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=LONGEST_S,
        check=False,
    )


def unsound(chosen: Sequence[Mutation], folder: Path) -> list[str]:
    """Return the checks that fail although nothing is broken: what they say about a mutation is worth nothing."""
    checks = {mutation.check: mutation for mutation in chosen}
    return [" ".join(check) for check, mutation in checks.items() if _check(mutation, folder).returncode != 0]


def main() -> int:
    """Break every rule, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="", help="only the rules with these words")
    words = parser.parse_args().match
    chosen = [one for one in MUTATIONS if words in one.rule]
    with tempfile.TemporaryDirectory(prefix="batchgen-mutations-") as name:
        folder = Path(name)
        copy_project(folder)
        wrong = unsound(chosen, folder)
        say(*(f"fails although nothing is broken: {check}" for check in wrong))
        caught = sum(_try(mutation, folder) for mutation in chosen)
    say(f"{caught} of {len(chosen)} caught")
    return 1 if wrong or caught < len(chosen) else 0


def copy_project(folder: Path) -> None:
    """Copy what a check needs into an empty folder."""
    for part in COPIED:
        source = PROJECT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / part)


def _try(mutation: Mutation, folder: Path) -> bool:
    began = time.monotonic()
    why = survives(mutation, folder)
    say(f"{'SURVIVED' if why else 'caught':9} {time.monotonic() - began:5.1f} s  {mutation.rule}", *filter(None, [why]))
    return not why


def say(*lines: str) -> None:
    """Print lines at once, for whoever waits for them."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
