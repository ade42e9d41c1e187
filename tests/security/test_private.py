"""The token reaches the API and nothing else; who may read a run is decided by the user's umask alone."""

from __future__ import annotations

import stat

import psutil
import pytest
from support.sandboxed import TOKEN, Sandbox, Workplace, wait_until


def test_the_token_is_in_no_file_no_output_and_no_process_list(place: Workplace, calm: Sandbox) -> None:
    manifest = place.manifest(["a fox", "a heron [sandbox:fail]"], output={"sidecar": True})
    process = place.start("run", manifest, "-v", "--progress", "lines", "--log-file", "run.log", "--json")
    shown = [" ".join(psutil.Process(process.pid).cmdline())]
    for ended in [place.end_of(process), *place.run_all(*([one, "m.yaml"] for one in ("status", "failures", "export"))),
                  place.run("doctor"), place.run("models")]:  # fmt: skip
        shown += [ended.out, ended.err]
    for path in [*place.folder.rglob("*"), *calm.directory.rglob("*")]:
        shown.append(str(path))
        if path.is_file():
            shown.append(path.read_bytes().decode("utf-8", "replace"))
    assert place.book().count("done") == 1
    assert len(shown) > 20
    assert [text for text in shown if TOKEN in text] == []


def test_the_sandbox_is_told_no_token(place: Workplace) -> None:
    names = ("RUNCOMFY_TOKEN", "RUNCOMFY_API_TOKEN", "RUNCOMFY_API_KEY")
    place.environment.update(dict.fromkeys(names, TOKEN))
    process = place.start("run", place.manifest(["a fox"]), "--sandbox")
    found: list[dict[str, str]] = []

    def seen() -> bool:
        children = [child for child in psutil.Process(process.pid).children() if "batchgen.sandbox" in child.cmdline()]
        found.extend(child.environ() for child in children)
        return bool(found)

    wait_until(seen, "the sandbox's process")
    place.end_of(process)
    assert set(names) & set(found[0]) == set()
    assert TOKEN not in found[0].values()


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o002])
def test_who_may_read_a_run_is_what_the_umask_says(umask: int, place: Workplace) -> None:
    """Prompts are private where the user's files are; a team's folder is the team's."""
    wrap = ("sh", "-c", f'umask {umask:03o}; exec "$@"', "sh")
    manifest = place.manifest(["a fox"], output={"sidecar": True})
    before = set(place.folder.rglob("*"))
    assert place.run("run", manifest, "--sandbox", "--log-file", "run.log", wrap=wrap).code == 0
    assert place.run("export", "runs/m-sandbox", "-o", "m.csv", wrap=wrap).code == 0
    made = {path: stat.S_IMODE(path.lstat().st_mode) for path in set(place.folder.rglob("*")) - before}
    assert {path.name for path in made} >= {"log.jsonl", "summary.json", "catalog.json", "run.log", "m.csv", "images",
                                            "inputs", "sandbox", "requests.jsonl", "lock"}  # fmt: skip
    wanted = {path: (0o777 if path.is_dir() else 0o666) & ~umask for path in made}
    assert made == wanted


def test_doctor_tells_of_a_token_file_that_others_can_read(place: Workplace) -> None:
    del place.environment["RUNCOMFY_TOKEN"]
    path = place.folder / "home" / "runcomfy" / "token.json"
    path.parent.mkdir()
    path.write_text(f'{{"access_token": "{TOKEN}"}}')
    path.chmod(0o644)
    loose = place.run("doctor")
    path.chmod(0o600)
    tight = place.run("doctor")
    assert (f"chmod 600 {path}" in loose.out, loose.code) == (True, 0)
    assert "chmod" not in tight.out
