"""The API stand-in: a real HTTP server on loopback that accepts, queues, draws and serves like the Model API.

It shares the public contract and the bundled schemas with the rest of batchgen, and no code: what the client believes
about the API is tested against a second reading of it. Start it with `serve(SandboxConfig(...))` or
`python -m batchgen.sandbox`.
"""

from __future__ import annotations

from batchgen.sandbox.config import SandboxConfig, SandboxError
from batchgen.sandbox.server import offline_account, serve

__all__ = ["SandboxConfig", "SandboxError", "offline_account", "serve"]
