"""Where the token comes from, what cannot be one, and that it never shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchgen import errors
from batchgen.runcomfy import token


def put(folder: Path, content: object) -> None:
    folder.mkdir(parents=True)
    (folder / "token.json").write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home")}


def test_the_order_of_the_variables(environ: dict[str, str]) -> None:
    put(Path(environ["HOME"], ".config", "runcomfy"), {"access_token": "file"})
    environ |= {"RUNCOMFY_API_KEY": "key", "RUNCOMFY_API_TOKEN": "", "RUNCOMFY_TOKEN": ""}
    assert token.find(environ) == "key"
    assert token.find({**environ, "RUNCOMFY_API_TOKEN": "api"}) == "api"
    assert token.find({**environ, "RUNCOMFY_API_TOKEN": "api", "RUNCOMFY_TOKEN": "own"}) == "own"
    assert token.find({**environ, "RUNCOMFY_API_KEY": ""}) == "file"


def test_the_order_of_the_files(environ: dict[str, str], tmp_path: Path) -> None:
    put(Path(environ["HOME"], ".config", "runcomfy"), {"access_token": "home", "refresh_token": None})
    put(tmp_path / "xdg" / "runcomfy", {"access_token": "xdg"})
    put(tmp_path / "own", {"access_token": "own"})
    environ["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    assert token.find(environ) == "xdg"
    environ["RUNCOMFY_CONFIG_DIR"] = str(tmp_path / "own")
    assert token.find(environ) == "own"


@pytest.mark.parametrize(
    "text", ["secret", "secret\n", '{"access_token": "secret"}\n'], ids=["bare", "line", "token file"]
)
def test_a_systemd_credential_goes_before_the_token_file(environ: dict[str, str], tmp_path: Path, text: str) -> None:
    put(Path(environ["HOME"], ".config", "runcomfy"), {"access_token": "file"})
    environ["CREDENTIALS_DIRECTORY"] = str(tmp_path / "credentials")
    assert token.find(environ) == "file", "a service with other credentials than ours"
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "runcomfy-token").write_text(text)
    assert token.find(environ) == "secret"
    assert token.find({**environ, "RUNCOMFY_TOKEN": "own"}) == "own"


@pytest.mark.parametrize("content", [b"", b"two words", b"sec\xffret", b"{", b"{}"])
def test_a_systemd_credential_that_is_no_token_is_named(
    environ: dict[str, str], tmp_path: Path, content: bytes
) -> None:
    environ["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    (tmp_path / "runcomfy-token").write_bytes(content)
    with pytest.raises(errors.TokenError, match=r"runcomfy-token.*--sandbox"):
        token.find(environ)


def test_no_token_names_both_ways_out(environ: dict[str, str]) -> None:
    with pytest.raises(errors.TokenError, match=r"RUNCOMFY_TOKEN.*--sandbox"):
        token.find(environ)


@pytest.mark.parametrize("value", ["two words", "secret\n", "\tsecret", "sécret", "sec\x00ret", "s" * 8193])
def test_what_cannot_be_a_token_is_refused_without_showing_it(environ: dict[str, str], value: str) -> None:
    with pytest.raises(errors.TokenError, match=r"RUNCOMFY_TOKEN does not hold.*--sandbox") as caught:
        token.find({**environ, "RUNCOMFY_TOKEN": value})
    assert value not in str(caught.value)
    assert "ret" not in str(caught.value).replace("printable", "")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"access_token": 7}', '{"access_token": ""}', "\xff"])
def test_a_token_file_that_is_none_is_named(environ: dict[str, str], content: str) -> None:
    put(Path(environ["HOME"], ".config", "runcomfy"), content)
    with pytest.raises(errors.TokenError, match=r"token\.json.*--sandbox"):
        token.find(environ)


def test_the_longest_token_is_taken(environ: dict[str, str]) -> None:
    assert len(token.find({**environ, "RUNCOMFY_TOKEN": "s" * 8192})) == 8192
