"""`python tests/nights/page.py > docs/mornings.md`: play every scene and write the page that shows them."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nights.scenes import SCENES, Scene
from nights.stage import stage

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mornings.md"

HEAD = """\
# The morning after

What a scheduled run leaves behind when the night went wrong, and what the next firing makes of it. Everything below was
said by the program, in a rehearsal against the sandbox that a test repeats; times, folders and ids are made equal. The
job is this line of a crontab, with a monitor in `BATCHGEN_PING_URL`:

```
0 2 * * *  batchgen run /home/you/pictures/autumn.yaml -q --if-running skip
```

`cron:` is a firing; what follows it is the whole mail. A good night has none:

```
Mon 02:00  cron: batchgen run /home/you/pictures/autumn.yaml -q --if-running skip

(no mail)
[exit code 0, monitor: start, success]
```
"""


def section(scene: Scene, folder: Path) -> str:
    """Play a scene in a folder and return its part of the page. Raises AssertionError where it breaks a promise."""
    with stage(folder, *scene.options) as here:
        scene.play(here)
        shown = "\n\n\n".join(here.shown)
    return f"\n## {scene.title}\n\n{scene.prose}\n\n```\n{shown}\n```\n"


def page() -> str:
    """Play everything and return the page."""
    with tempfile.TemporaryDirectory() as folder:
        return HEAD + "".join(section(scene, Path(folder, str(number))) for number, scene in enumerate(SCENES))


if __name__ == "__main__":
    sys.stdout.write(page())
