"""An API that answers at once: nginx on loopback with fixed answers, so that what is measured is the client.

It needs nginx (Debian: nginx-light). POST gives a new request id, status says completed, result names one picture on
the same origin, and the picture is a file of exactly the asked size or a little more, noise that does not compress.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

MODEL = "google/nano-banana-2/text-to-image"

_CONFIG = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 100000000;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location /v1/models/ {{
            return 200 '{{"request_id":"$request_id","status":"in_queue","queue_position":0}}';
        }}
        location ~ ^/v1/requests/(?<id>[^/]+)/status$ {{
            return 200 '{{"request_id":"$id","status":"completed"}}';
        }}
        location ~ ^/v1/requests/(?<id>[^/]+)/result$ {{
            return 200 '{{"request_id":"$id","status":"succeeded","cost":0.08,"output":{{"images":[{{"url":"http://127.0.0.1:{port}/files/$id.png"}}]}}}}';
        }}
        location /files/ {{
            types {{ }} default_type image/png;
            root {folder};
            try_files /picture.png =404;
        }}
    }}
}}
"""


def picture(size: int) -> bytes:
    """Return a PNG of about `size` bytes: noise, three bytes a pixel."""
    side = int((size / 3) ** 0.5) + 1
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(file, "PNG", compress_level=1)
    return file.getvalue()


@contextlib.contextmanager
def serving(folder: Path, size: int) -> Iterator[str]:
    """Serve pictures of about `size` bytes from a new `folder`, and yield the origin."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise SystemExit("this benchmark needs nginx (Debian: apt-get install nginx-light)")
    folder.mkdir()
    folder.chmod(0o755)  # The worker may be another user where this is run by root.
    (folder / "picture.png").write_bytes(picture(size))
    port = _free_port()
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port))
    server = subprocess.Popen([program, "-p", str(folder), "-c", str(config)], stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        _await(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def _await(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise SystemExit("nginx did not start; see that its configuration is allowed here")
