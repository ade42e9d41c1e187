"""One process of the long search, `worker.py TARGET ENGINE SLATE SECONDS SEED`; `worker.py TARGET FILE` tries one.

The slate is memory shared with `run.py`: it says what is tried next, so that input which hangs or kills this process is
known too. A finding is kept in the corpus and told on standard output, the first for each place that broke.
"""

from __future__ import annotations

import hashlib
import importlib
import random
import resource
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from mmap import mmap
from pathlib import Path

LONGEST = 64 * 1024
"""The longest input, in bytes."""

CORPUS = Path(__file__).with_name("corpus")
FOUND = "found_"
"""How the names of findings begin, until a person has said what they are."""

_MEMORY_BYTES = 4 << 30
_HEAD = struct.Struct("<QQ")
_ROOM = _HEAD.size + LONGEST


class Slate:
    """How many inputs were begun, and the last of them, in a file that two processes map."""

    def __init__(self, path: Path) -> None:
        with path.open("a+b") as file:
            file.truncate(_ROOM)
            self._memory = mmap(file.fileno(), _ROOM)

    def begin(self, data: bytes) -> None:
        """Write down what is tried next."""
        self._memory[_HEAD.size : _HEAD.size + len(data)] = data
        _HEAD.pack_into(self._memory, 0, self.count + 1, len(data))

    @property
    def count(self) -> int:
        """How many inputs were begun."""
        return int(_HEAD.unpack_from(self._memory)[0])

    @property
    def data(self) -> bytes:
        """The input begun last."""
        return self._memory[_HEAD.size : _HEAD.size + _HEAD.unpack_from(self._memory)[1]]


def keep(target: str, kind: str, data: bytes) -> Path:
    """Keep a finding in the corpus, and return where."""
    path = CORPUS / target / f"{FOUND}{kind}_{hashlib.sha256(data).hexdigest()[:8]}"
    path.write_bytes(data)
    return path


class Trial:
    """Checks one input after the other."""

    def __init__(self, target: str, check: Callable[[bytes], None], slate: Slate) -> None:
        self._target = target
        self._check = check
        self._slate = slate
        self._broken: set[str] = set()

    def __call__(self, data: bytes) -> None:
        """Try one input."""
        data = data[:LONGEST]
        self._slate.begin(data)
        try:
            self._check(data)
        except Exception as problem:
            place = _place(problem)
            if place not in self._broken:
                self._broken.add(place)
                path = keep(self._target, type(problem).__name__, data)
                sys.stdout.write(f"{path.relative_to(CORPUS)}: {place}\n")
                sys.stdout.flush()


def _place(problem: BaseException) -> str:
    frames = traceback.extract_tb(problem.__traceback__)
    ours = [frame for frame in frames if "batchgen" in frame.filename or "fuzz" in frame.filename]
    last = (ours or frames)[-1]
    return f"{type(problem).__name__} in {last.name}, {Path(last.filename).name}: {last.line}"


def by_mutation(target: str, slate: Slate, seconds: float, seed: int) -> None:
    """Try random changes of the corpus and of real material until the time is over."""
    from fuzz import mutate, targets

    trial = Trial(target, targets.TARGETS[target].check, slate)
    chance = random.Random(seed)
    pool, pieces = mutate.seeds(target), mutate.PIECES[target]
    deadline = time.monotonic() + seconds
    for data in pool:
        trial(data)
    while time.monotonic() < deadline:
        trial(mutate.mutated(chance, pool, pieces))


def by_atheris(target: str, slate: Slate, seconds: float, seed: int) -> None:
    """Let libFuzzer search, guided by what of the package an input reaches. It ends the process itself."""
    atheris = importlib.import_module("atheris")  # It ships no types, and is not needed to run the tests.
    with atheris.instrument_imports(include=["batchgen"]):
        from fuzz import mutate, targets
    trial = Trial(target, targets.TARGETS[target].check, slate)
    folder = Path(tempfile.mkdtemp())
    for number, data in enumerate(mutate.seeds(target)):
        (folder / str(number)).write_bytes(data)
    pieces = [piece for piece in mutate.PIECES[target] if len(piece) <= 60]
    words = folder.with_suffix(".dict")
    words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in piece) + '"\n' for piece in pieces))
    ends = [f"-max_total_time={max(1, round(seconds))}", "-timeout=0", "-rss_limit_mb=0"]
    options = [f"-seed={seed}", f"-max_len={LONGEST}", f"-dict={words}", "-verbosity=0", *ends]
    atheris.Setup([sys.argv[0], *options, str(folder)], trial.__call__)
    atheris.Fuzz()


def main() -> None:
    """Search, or try one input, as the command line says."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    if len(sys.argv) == 3:
        from fuzz import targets

        targets.TARGETS[sys.argv[1]].check(Path(sys.argv[2]).read_bytes())
        return
    target, engine, slate, seconds, seed = sys.argv[1:]
    search = by_atheris if engine == "atheris" else by_mutation
    search(target, Slate(Path(slate)), float(seconds), int(seed))


if __name__ == "__main__":
    main()
