"""Local input files on their way out: as data URIs, and only as what the job was planned with."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from pathlib import Path

import pytest

from batchgen import errors
from batchgen.errors import Stage
from batchgen.job import InputFile, Job, canonical, make_job
from batchgen.runcomfy.uploads import Uploads

CONTENT = b"\x89PNG\r\n\x1a\n and so on"
FILE = InputFile(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "image/png")
URI = "data:image/png;base64," + base64.b64encode(CONTENT).decode()


def body(job: Job, paths: dict[InputFile, Path]) -> bytes:
    """Return what is sent for a job."""
    return asyncio.run(Uploads(paths).body(job))


def test_without_files_the_input_is_sent_as_it_is_hashed() -> None:
    job = make_job(1, "some/model", {"prompt": "ä", "image_urls": ["https://a.b/c"], "size": {"sha256": "x"}})

    assert body(job, {}) == canonical(dict(job.input))


def test_files_go_in_as_data_uris_alone_or_in_a_list(tmp_path: Path) -> None:
    path = tmp_path / "fox.png"
    path.write_bytes(CONTENT)
    job = make_job(1, "some/model", {"images": [FILE.as_json(), "https://a.b/c"], "image": FILE.as_json(), "n": 1})

    assert json.loads(body(job, {FILE: path})) == {"images": [URI, "https://a.b/c"], "image": URI, "n": 1}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (CONTENT + b"!", "was changed"),
        (CONTENT[:-1], "was changed"),
        (CONTENT[:-1] + b"!", "was changed"),
        (None, "cannot be read any more"),
    ],
)
def test_a_file_that_is_not_what_it_was_is_not_sent(content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "fox.png"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(errors.InputError, match=words) as caught:
        body(make_job(1, "some/model", {"image": FILE.as_json()}), {FILE: path})

    assert (caught.value.info.kind, caught.value.info.stage) == ("input_changed", Stage.INPUT)
    assert str(path) in str(caught.value)


def test_a_file_that_nobody_knows_is_not_sent() -> None:
    with pytest.raises(errors.InputError, match=FILE.sha256):
        body(make_job(1, "some/model", {"image": FILE.as_json()}), {})
