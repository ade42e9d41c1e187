"""Durable first, answered second."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from batchgen.sandbox.config import SandboxConfig
from batchgen.sandbox.sandbox import open_sandbox
from batchgen.sandbox.server import build_app


def test_a_submission_is_answered_only_when_it_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, released = threading.Event(), threading.Event()

    def slow_fsync(_: int) -> None:
        asked.set()
        assert released.wait(10)

    async def submit() -> tuple[bool, int]:
        sandbox = await open_sandbox(SandboxConfig(tmp_path), "http://127.0.0.1:1")
        async with TestClient(TestServer(build_app(sandbox))) as client:
            monkeypatch.setattr(os, "fsync", slow_fsync)
            path, token = "/v1/models/google/nano-banana-2/text-to-image", {"Authorization": "Bearer t"}
            post = asyncio.ensure_future(client.post(path, json={"prompt": "a fox"}, headers=token))
            await asyncio.to_thread(asked.wait, 10)
            done, _ = await asyncio.wait([post], timeout=0.1)
            released.set()
            status = (await post).status
        await sandbox.journal.close()
        return bool(done), status

    assert asyncio.run(submit()) == (False, 200)
