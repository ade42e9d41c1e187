"""Fingerprints say what a set would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batchgen.store.fingerprints import Fingerprints


@given(some=st.lists(st.text(max_size=5)), others=st.lists(st.text(max_size=5)))
def test_fingerprints_know_what_they_were_told(some: list[str], others: list[str]) -> None:
    marks = Fingerprints()
    for text in some:
        marks.add(text)
    assert [text in marks for text in (*some, *others)] == [text in set(some) for text in (*some, *others)]
