"""Whatever a power loss leaves of a run, the next one finds every promise kept; and the model of it tells the truth."""

from __future__ import annotations

import os
import random

import pytest
from crash.in_ci import run_suite
from crash.model_disk import ModelDisk, Operation

APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
LINE = b"one line\n"


def left_by(*operations: Operation, tree: dict[str, bytes | None] | None = None) -> set[tuple[str, bytes | None]]:
    """Return everything that some power loss after these operations may leave, as (path, content)."""
    disk = ModelDisk(tree or {})
    for done in operations:
        disk.apply(done)
    deals = (disk.after_power_loss(random.Random(seed)) for seed in range(300))
    return {item for deal in deals for item in deal.items()}


def opened(path: str, flags: int = APPEND) -> Operation:
    return Operation("open", path=path, descriptor=3, number=flags)


WRITTEN = Operation("write", descriptor=3, data=LINE)
SYNCED = Operation("fsync", descriptor=3)
FOLDER = Operation("sync_folder", path=".")


@pytest.mark.timeout(300)
def test_a_power_loss_at_any_operation_keeps_every_promise() -> None:
    table = run_suite("--only", "power")
    assert table["power losses"] > 500
    assert table["runs resumed"] > 0
    assert table["paid twice"] == table["lost"] == 0


def test_any_prefix_of_what_was_not_synced_may_be_left_and_zeros_after_it() -> None:
    left = {data for path, data in left_by(opened("log"), FOLDER, WRITTEN) if path == "log"}
    assert {b"", b"o", LINE, b"\0" * len(LINE)} <= left
    assert all(data is not None and LINE.startswith(data.rstrip(b"\0")) for data in left)


def test_what_was_synced_is_left_whole() -> None:
    assert left_by(opened("log"), FOLDER, WRITTEN, SYNCED) == {("log", LINE)}


def test_a_file_whose_folder_was_not_synced_may_be_gone() -> None:
    disk = ModelDisk({})
    for done in (opened("log"), WRITTEN, SYNCED):
        disk.apply(done)
    deals = [disk.after_power_loss(random.Random(seed)) for seed in range(50)]
    assert {} in deals
    assert {"log": LINE} in deals


def test_a_rename_may_be_undone_until_its_folder_is_synced_and_never_afterwards() -> None:
    begun = (opened("part"), WRITTEN, SYNCED, FOLDER)
    renamed = Operation("rename", path="part", target="whole")
    assert left_by(*begun, renamed) == {("part", LINE), ("whole", LINE)}
    assert left_by(*begun, renamed, FOLDER) == {("whole", LINE)}


def test_what_stands_in_a_folder_goes_with_it() -> None:
    made = Operation("mkdir", path="images")
    inside = (opened("images/a"), WRITTEN, SYNCED, Operation("sync_folder", path="images"))
    disk = ModelDisk({})
    for done in (made, *inside):
        disk.apply(done)
    assert {} in [disk.after_power_loss(random.Random(seed)) for seed in range(50)]
    assert left_by(made, *inside, FOLDER) == {("images", None), ("images/a", LINE)}


def test_a_cut_may_not_have_happened_until_the_file_is_synced() -> None:
    cut = Operation("truncate", descriptor=3, number=0)
    tree: dict[str, bytes | None] = {"log": LINE}
    assert left_by(opened("log"), cut, tree=tree) == {("log", LINE), ("log", b"")}
    assert left_by(opened("log"), cut, SYNCED, tree=tree) == {("log", b"")}


def test_an_operation_that_the_model_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not know"):
        ModelDisk({}).apply(Operation("link"))
