"""The rule for file hosts, and the texts that two URL parsers would read differently."""

from __future__ import annotations

import pytest
from yarl import URL

from batchgen import errors
from batchgen.runcomfy import base
from batchgen.runcomfy.hosts import AllowedHosts, parse_entry

REMOTE = AllowedHosts.of(URL("https://model-api.runcomfy.net/v1"), ["cdn.example.com", ".trusted.org"])
LOCAL = AllowedHosts.of(URL("http://127.0.0.1:8123/v1"))


@pytest.mark.parametrize(
    "url",
    [
        "https://runcomfy.net/x",
        "https://playgrounds-storage-public.runcomfy.net/k1%3D/k2%3D/output/a_output.png",
        "https://a.b.runcomfy.com/x?sig=%2F&e=1#f",
        "https://CDN.RunComfy.NET/x",
        "HTTPS://cdn.runcomfy.net/x",
        "https://cdn.runcomfy.net:443/x",
        "https://cdn.runcomfy.net",
        "https://cdn.runcomfy.net/x@y",
        "https://cdn.example.com/x",
        "https://trusted.org/x",
        "https://a.b.trusted.org/x",
    ],
)
def test_allowed(url: str) -> None:
    assert str(REMOTE.check(url)).lower() == url.lower().replace(":443/", "/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x.png",
        "/x.png",
        "http://cdn.runcomfy.net/x",
        "ftp://cdn.runcomfy.net/x",
        "https:cdn.runcomfy.net/x",
        "https:///cdn.runcomfy.net/x",
        "https://cdn.runcomfy.net:80/x",
        "https://cdn.runcomfy.net:8443/x",
        "https://cdn.runcomfy.net:0443x/x",
        "https://cdn.runcomfy.net:443:443/x",
        "https://cdn.runcomfy.net:99999/x",
        "https://evilruncomfy.net/x",
        "https://runcomfy.net.evil.com/x",
        "https://evil.com/runcomfy.net",
        "https://evil.com#.runcomfy.net/x",
        "https://evil.com?.runcomfy.net/x",
        "https://evil.com\\.runcomfy.net/x",
        "https://127.0.0.1\\@cdn.runcomfy.net/x",
        "https://evil.com\\@cdn.runcomfy.net/x",
        "https://user@cdn.runcomfy.net/x",
        "https://user:pass@cdn.runcomfy.net/x",
        "https://cdn.runcomfy.net@evil.com/x",
        "https://@cdn.runcomfy.net/x",
        "https://cdn.runcomfy.net./x",
        "https://cdn..runcomfy.net/x",
        "https://.runcomfy.net/x",
        "https://cdn.runcomfy.net\n.evil.com/x",
        "https://cdn.runcomfy.net\t/x",
        "https://cdn.runcomfy.net /x",
        " https://cdn.runcomfy.net/x",
        "https://cdn.runcomfy.net/x\x00",
        "https://cdn.runcomfy.net/x\x7f",
        "https://cdn.runcomfy.net/é",
        "https://cdn。runcomfy.net/x",
        "https://ｒuncomfy.net/x",
        "https://evil%2ecom%2f.runcomfy.net/x",
        "https://evil.com%2f.runcomfy.net/x",
        "https://evil.com%00.runcomfy.net/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]:443/x",
        "https://127.0.0.1/x",
        "https://2130706433/x",
        "https://localhost/x",
        "http://127.0.0.1:8123/x",
        "https://sub.cdn.example.com/x",
        "https://example.com/x",
        "https://eviltrusted.org/x",
        "https://xn--runcomfy-x.net/x",
        "https://cdn.runcomfy.net/" + "x" * 8200,
    ],
)
def test_refused(url: str) -> None:
    with pytest.raises(errors.FileError) as caught:
        REMOTE.check(url)
    assert caught.value.info.kind == "host"
    assert caught.value.info.message.isprintable()
    assert "--allow-host" in caught.value.info.message


def test_the_checked_url_is_fetched_as_written() -> None:
    text = "https://cdn.runcomfy.net/eNoza%3D/%2e%2E/x?k=1%2F2&b=%20+"
    assert str(REMOTE.check(text)) == text
    assert REMOTE.check(text).raw_path_qs == "/eNoza%3D/%2e%2E/x?k=1%2F2&b=%20+"


def test_a_loopback_api_serves_its_own_files() -> None:
    assert LOCAL.check("http://127.0.0.1:8123/files/x").port == 8123
    assert LOCAL.check("https://cdn.runcomfy.net/x")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8124/x",
        "http://127.0.0.1/x",
        "https://127.0.0.1:8123/x",
        "http://localhost:8123/x",
        "http://127.0.0.2:8123/x",
        "http://user@127.0.0.1:8123/x",
        "http://127.0.0.1:8123\\@evil.com/x",
    ],
)
def test_a_loopback_api_opens_nothing_else_on_this_machine(url: str) -> None:
    with pytest.raises(errors.FileError):
        LOCAL.check(url)


def test_a_remote_api_opens_nothing_on_this_machine_even_if_it_says_so() -> None:
    assert AllowedHosts.of(URL("https://model-api.runcomfy.net/v1")).own is None


@pytest.mark.parametrize(
    "entry", ["", ".", "com.", ".com", "https://x.org", "x.org:443", "x.org/y", "*.x.org", "u@x.org", "x .org", "ä.org"]
)
def test_an_entry_that_is_no_host_is_a_usage_error(entry: str) -> None:
    with pytest.raises(errors.UsageError, match="--allow-host"):
        parse_entry(entry)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://model-api.runcomfy.net", "https://model-api.runcomfy.net/v1"),
        ("https://model-api.runcomfy.net/v1", "https://model-api.runcomfy.net/v1"),
        ("https://model-api.runcomfy.net/v1/", "https://model-api.runcomfy.net/v1"),
        ("https://gate.example.com:8443/a%2Fb/v1", "https://gate.example.com:8443/a%2Fb/v1"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/v1"),
        ("http://localhost:9000/v1", "http://localhost:9000/v1"),
        ("http://[::1]:9000", "http://[::1]:9000/v1"),
    ],
)
def test_the_base_is_taken_with_and_without_v1(text: str, expected: str) -> None:
    assert str(base.parse(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["x", "http://model-api.runcomfy.net", "http://127.0.0.1.evil.com", "https://u:secret@x.net", "https://x.net?a=1",
     "https://x.net#a", "https://x.net\n", "https://x.net\\@y", "ftp://127.0.0.1", "https://x.net:99999", "https://"],
)  # fmt: skip
def test_a_base_the_token_must_not_go_to_is_a_usage_error(text: str) -> None:
    with pytest.raises(errors.UsageError, match="RUNCOMFY_MODEL_API_BASE") as caught:
        base.parse(text)
    assert "secret" not in str(caught.value)


def test_without_a_setting_the_base_is_productions() -> None:
    assert str(base.from_environ({})) == str(base.from_environ({base.VARIABLE: ""})) == f"{base.PRODUCTION}/v1"
