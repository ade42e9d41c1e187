"""Which seeds a job is made with; always explicit, so that every picture can be made again.

Derived seed k (from 0) is the top 31 bits, big-endian, of SHA-256 over `batchgen-seed-1`, the scope and k in decimal,
joined by NUL bytes. A value that came before in its scope is passed over for the next counter. This is a contract
between versions, held by golden values in the tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count, islice

_DOMAIN = b"batchgen-seed-1"


class Per(StrEnum):
    """What shares derived seeds: one prompt's jobs, one cell of the grid alone, or all jobs of the manifest."""

    PROMPT = "prompt"
    JOB = "job"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class Seeds:
    """The seeds of each job: `values` as written, else `count` derived ones; none at all where both are empty."""

    count: int = 1
    per: Per = Per.PROMPT
    values: Sequence[int] = ()

    @property
    def size(self) -> int:
        """How many seeds each job is made with; 0 where none is sent."""
        return len(self.values) or self.count

    def of(self, scope: bytes) -> Sequence[int]:
        """Return the seeds for a scope: the prompt's bytes, the job's canonical JSON, or nothing."""
        return self.values or tuple(islice(derived(scope), self.count))


NONE = Seeds(count=0)


def derived(scope: bytes) -> Iterator[int]:
    """Yield the seeds derived for a scope, none of them twice."""
    prefix = hashlib.sha256(_DOMAIN + b"\0" + scope + b"\0")
    seen: set[int] = set()
    for counter in count():
        digest = prefix.copy()
        digest.update(str(counter).encode("ascii"))
        seed = int.from_bytes(digest.digest()[:4], "big") >> 1
        if seed not in seen:
            seen.add(seed)
            yield seed
