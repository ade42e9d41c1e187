"""RunState: everything a ledger says, folded; and where each job stands by it.

`attempts` is the vocabulary and its rules, `compact` the table that keeps a million jobs small, `fold` the fold.
"""

from batchgen.state.attempts import STATE_OF, ZERO, Attempt, Fact, Jobs, JobState, State, Tier
from batchgen.state.fold import PACK, RunState, Taken, fold, seconds_taken

__all__ = [
    "PACK",
    "STATE_OF",
    "ZERO",
    "Attempt",
    "Fact",
    "JobState",
    "Jobs",
    "RunState",
    "State",
    "Taken",
    "Tier",
    "fold",
    "seconds_taken",
]
