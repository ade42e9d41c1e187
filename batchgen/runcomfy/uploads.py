"""The body of a POST. Local input files go in as data URIs, read and hashed again at the last moment.

The API documents no data URIs; its own ComfyUI nodes send them in the same fields, and the backend stores them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

from batchgen import errors
from batchgen.errors import ErrorInfo, Stage
from batchgen.job import InputFile, Job, canonical, files_of, replace_files


class Uploads:
    """Makes bodies; `paths` says where the local files are that jobs know by content."""

    def __init__(self, paths: Mapping[InputFile, Path]) -> None:
        self._paths = paths

    async def body(self, job: Job) -> bytes:
        """Return the job's input as it is sent.

        Raises InputError where a file is not what it was: a picture exchanged meanwhile is not the one to pay for.
        """
        if not files_of(job.input):
            return canonical(dict(job.input))
        return await asyncio.to_thread(lambda: canonical(replace_files(job.input, self._data_uri)))

    def _data_uri(self, file: InputFile) -> str:
        path = self._paths.get(file)
        if path is None:
            raise _changed(f"no file is known with SHA-256 {file.sha256}")
        try:
            with path.open("rb") as stream:
                content = stream.read(file.bytes + 1)
        except OSError as error:
            raise _changed(f"{path} cannot be read any more: {error.strerror}") from None
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise _changed(f"{path} was changed after the job was planned; the next run plans with the new file")
        return f"data:{file.media_type};base64,{base64.b64encode(content).decode('ascii')}"


def _changed(words: str) -> errors.InputError:
    return errors.InputError(ErrorInfo("input_changed", Stage.INPUT, errors.printable(f"nothing was sent: {words}")))
