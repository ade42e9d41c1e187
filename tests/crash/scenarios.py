"""What is run while it is being killed: small batches that between them meet every kind of step."""

from __future__ import annotations

from dataclasses import dataclass

from crash.oracle import FAIL_MARK
from support.sandboxed import Workplace, rules

BUSY_MARK = "[busy]"
QUICK = (
    "--service-time",
    "0.02",
    "--service-spread",
    "0",
    *rules({"on": "submit", "do": "rate_limit", "match": BUSY_MARK, "share": 0.5}),
)
SLOW = ("--service-time", "0.3", "--service-spread", "0", "--slots", "1")
MANIFEST = "m.yaml"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A batch, and the command that is killed on it.

    `begun_until` is the boundary at which a run dies beforehand, so that `command` has something to go on with;
    `interrupt` the one at which the command gets a SIGINT; with `checkpoint` even a short ledger has one. What `attach`
    and `settle` are told is known only then. All files get the same stem from the template.
    """

    name: str
    subjects: tuple[str, ...] = ("a fox", "two herons")
    command: tuple[str, ...] = ("run", MANIFEST)
    begun_until: str = ""
    interrupt: str = ""
    sidecar: bool = False
    checkpoint: bool = False
    server: tuple[str, ...] = QUICK

    def write_manifest(self, place: Workplace, mark: str) -> None:
        """Write the batch, with prompts that no other case has."""
        prompts: list[object] = [
            {"text": f"{mark} {subject}", "settings": {"num_images": 2 if subject.startswith("two") else 1}}
            for subject in self.subjects
        ]
        place.manifest(
            prompts,
            limits={"submits_per_second": 1000, "concurrency": 2},
            output={"name": "picture", "sidecar": self.sidecar},
        )


SCENARIOS = (
    Scenario("main"),
    Scenario("trouble", subjects=(f"a busy fox {BUSY_MARK}", f"a lost cause {FAIL_MARK}")),
    Scenario("resume", begun_until="after RealDisk.rename image #1"),
    Scenario("torn", begun_until="amid RealDisk.write log.jsonl #4"),
    Scenario("fetch", command=("fetch", MANIFEST), begun_until="after Journal.append submitted #2"),
    Scenario("attach", command=("attach",), begun_until="after Client.submit #1"),
    Scenario("sidecar", sidecar=True),
    Scenario("checkpoint", checkpoint=True),
    Scenario("seal", checkpoint=True, begun_until="after RealDisk.rename .checkpoint #1"),
    Scenario("settle", command=("settle",), begun_until="before Client.submit #1"),
    Scenario(
        "cancel later",
        command=("cancel", MANIFEST),
        begun_until="after Journal.append submitted #2",
        server=SLOW,
    ),
    Scenario(
        "cancel",
        subjects=("a fox", "a heron", "a crane"),
        command=("run", MANIFEST, "--on-interrupt", "cancel", "-j", "3"),
        interrupt="after Journal.append submitted #3",
        server=SLOW,
    ),
)
"""The first one is killed at every boundary always; of the others, as many as there is time for."""
