"""A finished job as a manifest of its own: JSON, which is YAML too, that makes the same picture again."""

from __future__ import annotations

import json
import re

from batchgen.job import InputFile, Job, Json, replace_files

_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def one_job(job: Job, files: str) -> bytes:
    """Return the manifest of one job. `files` leads from its folder to the one with copies of local input files.

    It has the job's own id for a job's first repeat; the second picture of the same input cannot be asked for alone.
    """

    def path(file: InputFile) -> Json:
        return f"{files}/{file.name}"

    said = {"prompt", "seed"} if job.seed is not None else {"prompt"}
    settings = {key: value for key, value in replace_files(job.input, path).items() if key not in said}
    prompt: dict[str, Json] = {"text": job.prompt, "settings": settings, "tags": dict(job.tags)}
    content: dict[str, Json] = {
        "model": job.model,
        "prompts": [{key: value for key, value in prompt.items() if value}],
        "seeds": "none" if job.seed is None else [job.seed],
    }
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode("utf-8")
