"""`batchgen sandbox`: the API's stand-in by itself, to rehearse manifests, schedules and failures."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from batchgen.cli import console
from batchgen.sandbox import SandboxConfig, SandboxError, offline_account, serve


def serve_sandbox(given: Mapping[str, Any]) -> int:
    """Serve until it is told to stop, or print the account of one that ran. Returns the exit code."""
    settings = {name: value for name, value in given.items() if value is not None and name != "account"}
    try:
        config = SandboxConfig(**settings)
        if given["account"]:
            console.show([json.dumps(offline_account(config.directory, time.time()))])
            return 0
        return serve(config)
    except SandboxError as error:
        console.say(f"sandbox: {error}")
        return error.exit_code
