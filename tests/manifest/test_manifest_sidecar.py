"""A sidecar is a manifest that makes the same job again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen.catalog.schema import bundled
from batchgen.job import InputFile, Job, Json, make_job
from batchgen.manifest.loader import load
from batchgen.manifest.overrides import Overrides
from batchgen.manifest.sidecar import one_job

MODEL = "google/nano-banana-2/text-to-image"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
PROMPT = TEXT.filter(str.strip)


def again(folder: Path, content: bytes) -> list[Job]:
    """Return the jobs of a sidecar."""
    path = folder / "fox.json"
    path.write_bytes(content)
    return list(load(path, Overrides(), bundled).jobs())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prompt=PROMPT,
    tags=st.dictionaries(TEXT, TEXT | st.integers(-(2**63), 2**63) | st.none() | st.booleans(), max_size=3),
    seed=st.none() | st.integers(0, 2**63),
    images=st.none() | st.integers(1, 4),
)
def test_a_sidecar_makes_the_same_job(
    prompt: str, tags: dict[str, Json], seed: int | None, images: int | None, tmp_path: Path
) -> None:
    job_input: dict[str, Json] = {"prompt": prompt, "resolution": "2K"}
    job_input |= {} if seed is None else {"seed": seed}
    job_input |= {} if images is None else {"num_images": images}
    job = make_job(7, MODEL, job_input, tags=tags)

    (made,) = again(tmp_path, one_job(job, "../inputs/files"))

    assert (made.id, made.input, made.tags) == (job.id, job.input, job.tags)


def test_it_is_plain_json_and_names_copies_of_local_files() -> None:
    file = InputFile("ab" * 32, 3, "image/png")
    job = make_job(1, MODEL, {"prompt": "a", "image_urls": [file.as_json(), "https://a.b/c"]})

    assert json.loads(one_job(job, "../inputs/files")) == {
        "model": MODEL,
        "prompts": [
            {"text": "a", "settings": {"image_urls": [f"../inputs/files/{'ab' * 32}.png", "https://a.b/c"]}},
        ],
        "seeds": "none",
    }


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "1:30",
        "# a",
        "a: b",
        "\x7f\x85\u2028\ufeff\ufffe",
        "{a}",
        "\ud83e\udd8a".encode("utf-16", "surrogatepass").decode("utf-16"),
    ],
)
def test_text_that_yaml_would_read_otherwise_stays_text(text: str, tmp_path: Path) -> None:
    (made,) = again(tmp_path, one_job(make_job(1, MODEL, {"prompt": text}, tags={"t": text}), "x"))

    assert (made.prompt, made.tags) == (text, {"t": text})
