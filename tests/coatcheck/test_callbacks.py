"""Which URLs a callback may have: what could lead into a network that is nobody's business is refused."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.addresses import is_loopback, is_public
from coatcheck.callbacks import DELAYS, KEPT, TIMEOUT, parse_url
from coatcheck.scripts import FOLDER
from coatcheck.settings import Settings, load

SETTINGS = load({"REDIS_URL": "redis://localhost"})

FORBIDDEN = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0x7f.1/",
    "https://127.0.0.0x1/",
    "https://00000177.0.0.1/",
    "https://127.000.000.001/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://169.254.170.2/v2/credentials",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://0251.0376.0251.0376/",
    "https://100.64.0.1/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://192.0.0.192/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://239.255.255.250/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://192.88.99.1/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[0:0:0:0:0:ffff:a9fe:a9fe]/",
    "https://[::ffff:8.8.8.8]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a9fe:a9fe::1]/",
    "https://[2001::1]/",
    "https://[2001:db8::1]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[2606:4700::1%25eth0]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    "https://[fec0::1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[v1.fe80]/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://api.localhost/",
    "https://127.0.0.1./",
    "https://metadata.google.internal/",
    "https://instance-data.internal./",
    "https://metadata/",
    "https://printer.local/",
    "https://router.lan/",
    "https://nas.home.arpa/",
    "https://user@example.com/",
    "https://user:secret@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1@example.com/",
    "https://@example.com/",
    "https://example.com\\@127.0.0.1/",
    "https://127.0.0.1\\.example.com/",
    "https://127.0.0.1%2f.example.com/",
    "https://%31%32%37.0.0.1/",
    "https://127%2e0%2e0%2e1/",
    "https://１２７.０.０.１/",
    "https://127。0。0。1/",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "https://①②⑦.0.0.1/",
    "https://exam ple.com/",
    "https://example.com\t/",
    "https://example.com\r\nHost: x/",
    "https://example.com\x00/",
    "https:///path",
    "https://",
    "https:example.com",
    "//example.com/",
    "example.com",
    "",
    "http://example.com/",
    "HTTP://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "https://example.com:22/",
    "https://example.com:80/",
    "https://example.com:8443/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://example.com:port/",
    "https://example.com/#fragment",
    "https://example..com/",
    "https://-example.com/",
    "https://example.com-/",
    "https://exa_mple.com/",
    "https://.example.com/",
    "https://[example.com]/",
    "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 130 + "com/",
    "https://example.com/" + "a" * 2048,
    None,
    7,
    ["https://example.com/"],
]

ALLOWED = [
    ("https://example.com", "example.com", 443, "/"),
    ("https://Example.COM/hook?a=1&b=%20", "example.com", 443, "/hook?a=1&b=%20"),
    ("https://example.com:443/", "example.com", 443, "/"),
    ("https://xn--bcher-kva.example.org/", "xn--bcher-kva.example.org", 443, "/"),
    ("https://8.8.8.8/", "8.8.8.8", 443, "/"),
    ("https://[2606:4700:4700::1111]/", "2606:4700:4700::1111", 443, "/"),
    ("https://localhost.example.com/", "localhost.example.com", 443, "/"),
    ("https://127.0.0.1.example.com/", "127.0.0.1.example.com", 443, "/"),
]


@pytest.mark.parametrize("url", FORBIDDEN)
def test_a_forbidden_url_is_refused(url: object) -> None:
    with pytest.raises(ValueError, match=r"^should "):
        parse_url(url, SETTINGS)


def test_there_are_enough_spellings() -> None:
    assert len(FORBIDDEN) > 100


@pytest.mark.parametrize(("url", "host", "port", "path"), ALLOWED)
def test_a_public_one_is_taken(url: str, host: str, port: int, path: str) -> None:
    target = parse_url(url, SETTINGS)
    assert (target.secure, target.host, target.port, target.path) == (True, host, port, path)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://example.com/", "example.com"),
        ("https://[2606:4700::1]/", "[2606:4700::1]"),
        ("https://hooks.example.net:8443/", "hooks.example.net:8443"),
    ],
)
def test_the_host_header_is_as_the_url_has_it(url: str, authority: str) -> None:
    settings = replace(
        SETTINGS, callback_hosts=("example.com", "2606:4700::1", "*.example.net:8443") if "net" in url else ()
    )
    assert parse_url(url, settings).authority == authority


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://example.com/", True),
        ("https://EXAMPLE.com/", True),
        ("https://sub.example.com/", False),
        ("https://example.com.evil.net/", False),
        ("https://evilexample.com/", False),
        ("https://a.hooks.example.net:8443/", True),
        ("https://hooks.example.net:8443/", False),
        ("https://a.hooks.example.net/", False),
        ("https://8.8.8.8/", False),
        ("https://127.0.0.1/", False),
    ],
)
def test_only_the_listed_hosts_are_taken(url: str, taken: bool) -> None:
    settings = replace(SETTINGS, callback_hosts=("example.com", "*.hooks.example.net:8443"))
    if taken:
        parse_url(url, settings)
    else:
        with pytest.raises(ValueError, match=r"^should "):
            parse_url(url, settings)


@pytest.mark.parametrize(
    "url", ["http://localhost:8000/", "http://127.0.0.1/", "https://[::1]:9/", "http://127.9.9.9:1/"]
)
def test_for_tests_this_machine_can_be_allowed(url: str) -> None:
    with pytest.raises(ValueError, match=r"^should "):
        parse_url(url, SETTINGS)
    parse_url(url, replace(SETTINGS, callback_loopback=True))


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/", "http://2130706433/"],
)
def test_then_nothing_else_is(url: str) -> None:
    with pytest.raises(ValueError, match=r"^should "):
        parse_url(url, replace(SETTINGS, callback_loopback=True))


@given(st.ip_addresses())
def test_no_address_counts_as_public_that_python_knows_to_be_none(address: object) -> None:
    text = str(address)
    known = ip_address(text)
    if not known.is_global or known.is_multicast or known.is_reserved:
        assert not is_public(text)


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses_are_public(text: str) -> None:
    assert is_public(text) and not is_loopback(text)


@given(st.text(max_size=60))
def test_no_text_at_all_gets_a_private_address_through(text: str) -> None:
    try:
        target = parse_url(f"https://{text}", SETTINGS)
    except ValueError:
        return
    assert "." in target.host or is_public(target.host)
    assert target.port == 443


def test_a_job_is_kept_until_the_last_attempt(settings: Settings) -> None:
    assert sum(DELAYS) + len(DELAYS) * (TIMEOUT + 60) < KEPT
    assert f"math.max(ttl, {KEPT})" in (FOLDER / "parts" / "ending.lua").read_text()
