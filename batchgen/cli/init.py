"""`batchgen init`: a first manifest, commented, that runs as it is."""

from __future__ import annotations

import shlex
from pathlib import Path

from batchgen import errors
from batchgen.cli import console
from batchgen.ledger.files import trouble
from batchgen.manifest import editor

_YAML = (".yaml", ".yml")

TEMPLATE = """\
# yaml-language-server: $schema={schema}
#
#   {program} plan {path} --sandbox    what it would do, and what it would cost
#   {program} run {path} --sandbox     try it: no account, no bill
#   {program} run {path}               for real, with RUNCOMFY_TOKEN set
#
# The same command again resumes: what was made is never made or paid for twice.

model: google/nano-banana-2/text-to-image     # batchgen models lists them all

prompts:
  - a red fox in fresh snow, morning light    # sent exactly as it is
  - text: "{{animal}} reading a newspaper, ink drawing"
    vars: {{animal: [a cat, a heron]}}          # every value is a prompt
    tags: {{set: animals}}                      # not sent; for names, and for --where set=animals
  # - file: prompts.csv                       # .txt, .csv, .tsv or .jsonl, beside this file
  #   limit: 50

settings:                                     # sent with every job; batchgen models MODEL shows what there is
  resolution: 1K

grid:                                         # every prompt with every combination
  aspect_ratio: [1:1, 16:9]
  # output_format: [png, webp]

seeds: 1                                      # so many for each prompt, always the same; or [7, 42]

limits:
  concurrency: 4                              # requests at the server at once
  # max_cost_usd: 5                           # of all runs of this manifest together

output:
  name: "{{index:03}}_{{slug}}_{{aspect_ratio}}"    # files go to {runs}

# pricing: {{base_usd: 0.08}}                   # USD for one picture; without it the live price is asked for
"""


def init(path: Path, program: str) -> None:
    """Write a manifest where nothing stands yet, and show the next command. Raises UsageError and DiskError."""
    if path.suffix.lower() not in _YAML:
        raise errors.UsageError(
            f"{path}: a manifest's name ends in {' or '.join(_YAML)}; write {path.with_suffix('.yaml')}"
        )
    shown = errors.printable(shlex.quote(str(path)))
    runs = errors.printable(f"runs/{path.stem}/images, beside this file")
    content = TEMPLATE.format(schema=editor.shipped().as_uri(), program=program, path=shown, runs=runs)
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(content)
    except FileExistsError:
        other = f"{program} init {shlex.quote(str(path.with_stem(path.stem + '-2')))}"
        raise errors.UsageError(f"{path} exists and is left as it is; name another one: {other}") from None
    except OSError as error:
        raise trouble("write the file", path, error) from error
    next_ones = [f"  {program} {word} {shown} --sandbox" for word in ("plan", "run")]
    console.show([f"wrote {shown}", "next:", *next_ones])
