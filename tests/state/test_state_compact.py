"""Packed rows say what a dict would, in little room."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.state.compact import Packed, Shelf
from batchgen.store.fingerprints import Fingerprints


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def shelf(numbers: Sequence[int], *, deflate: bool = False) -> Shelf:
    made = Shelf()
    assert made.put(
        [key(one) for one in numbers], [[f"a{one}" for one in numbers], ["" for _ in numbers]], deflate=deflate
    )
    return made


@pytest.mark.parametrize("deflate", [False, True])
def test_a_row_comes_back_as_it_went_in(deflate: bool) -> None:
    made = shelf(range(1000), deflate=deflate)
    assert made.put([key(5000)], [["ä"], ["x"]], deflate=not deflate)

    assert [made.get(key(number)) for number in (0, 999, 5000, 7)] == [("a0", ""), ("a999", ""), ("ä", "x"), ("a7", "")]
    assert made.get(key(1001)) is None
    assert [*made] == [one for one, _ in made.rows()] == [*map(key, range(1000)), key(5000)]


def test_columns_of_all_rows_leave_out_what_was_taken_away() -> None:
    made = shelf(range(10))
    assert made.put([key(20), key(21)], [["b", "c"], ["x", "y"]])
    for number in (0, 5, 21):
        made.take(key(number))

    assert [one for column, _ in made.columns(0, 1) for one in column] == [row[0] for _, row in made.rows()]
    assert [one for (column,) in made.columns(1) for one in column] == [row[1] for _, row in made.rows()]


@pytest.mark.parametrize(
    ("one", "text"),
    [
        ("j", "a"),
        (key(1).upper(), "a"),
        (key(1)[:30], "a"),
        (key(1), "a\x1fb"),
        (key(1), "a\x1eb"),
        (" " + key(1), "a"),
    ],
)
def test_what_cannot_be_kept_is_not_taken(one: str, text: str) -> None:
    made = shelf([1])
    assert not made.put([one, key(2)], [[text, "b"], ["", ""]])
    assert len(made) == 1
    assert one == key(1) or one not in made


def test_a_text_that_all_rows_have_in_common_is_kept_once() -> None:
    made, numbers = Shelf(), range(1000)
    columns = [["m" * 1000 for _ in numbers], [str(one) for one in numbers]]
    tracemalloc.start()
    assert made.put([key(one) for one in numbers], columns)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 100_000
    made.take(key(0))
    assert [*made.columns(0, 1)] == [(columns[0][1:], columns[1][1:])]
    assert made.get(key(999)) == ("m" * 1000, "999")


def test_half_a_character_is_not_deflated() -> None:
    assert not Shelf().put([key(1)], [["\ud800"]], deflate=True)


class Texts(Packed[str]):
    """Values that are texts, `x` among them never packed; keeps the number of packed ones."""

    def __init__(self) -> None:
        super().__init__(lambda value: None if value == "x" else (value,), lambda row: row[0])
        self.count = 0

    def _count(self, columns: Sequence[Sequence[str]], times: int) -> None:
        self.count += times * len(columns[0])


STEPS = st.lists(
    st.tuples(st.sampled_from(["set", "pack", "loosen", "delete"]), st.integers(0, 40), st.sampled_from("abx")),
    max_size=120,
)


@given(steps=STEPS)
def test_a_packed_dict_is_a_dict(steps: list[tuple[str, int, str]]) -> None:
    plain: dict[str, str] = {}
    packed = Texts()
    for step, number, value in steps:
        one = key(number)
        if step == "set":
            plain[one] = packed[one] = value
        elif step == "pack":
            packed.pack([key(other) for other in range(number)])
        elif step == "loosen":
            assert packed.loosen(one) == plain.get(one)
        elif one in plain:
            del plain[one], packed[one]
        else:
            with pytest.raises(KeyError):
                del packed[one]
        assert dict(packed) == plain
        assert (len(packed), packed.count) == (len(plain), len(packed.packed))
        assert packed.get(one) == plain.get(one)
        assert (one in packed) == (one in plain)


def test_rows_and_fingerprints_of_names_take_little_room() -> None:
    """At 50,000 entries 100 bytes a job for its row and its name, of which a dict of ids alone would take more."""
    tracemalloc.start()
    made, marks = Shelf(), Fingerprints()
    for start in range(0, 50_000, 500):
        names = [f"{number:05}_a-fox" for number in range(start, start + 500)]
        made.put([key(number) for number in range(start, start + 500)], [names], deflate=True)
        for name in names:
            marks.add(name)
    assert key(7) in made
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 50_000 * 100
