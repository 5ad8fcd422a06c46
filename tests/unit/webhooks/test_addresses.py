"""What a webhook may lead to, told from its URL and from an address alone."""

import ipaddress

import pytest

from quarry.webhooks.addresses import Rules, checked, is_public, may_be_called

PUBLIC = Rules()


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://hooks.example.com", ("hooks.example.com", 443, "/", "")),
        ("https://Hooks.Example.COM/a/b%20c?x=1&y=%7E", ("hooks.example.com", 443, "/a/b%20c", "x=1&y=%7E")),
        ("https://xn--bcher-kva.example.com:443/", ("xn--bcher-kva.example.com", 443, "/", "")),
        ("https://8.8.8.8/", ("8.8.8.8", 443, "/", "")),
        ("https://[2600:1f18::1]/", ("2600:1f18::1", 443, "/", "")),
    ],
)
def test_what_is_allowed(url: str, parts: tuple[str, int, str, str]) -> None:
    """Hosts of the public internet, by https."""
    address = checked(url, PUBLIC)
    assert (address.host, address.port, address.path, address.query) == parts


@pytest.mark.parametrize("label", ["xn--mnchen-3ya", "XN--MNCHEN-3YA", "xn--fiqs8s", "xn--fa-hia", "xn--ls8h", "a--b", "ab--c"])
def test_names_in_their_ascii_form(label: str) -> None:
    """What is called is what was written, in lower case: no library's idea of the letters."""
    assert checked(f"https://{label}.com/", PUBLIC).host == f"{label.lower()}.com"


#: No code; a control character; only ASCII in it; a half of a letter; beyond Unicode; another way to write a letter.
@pytest.mark.parametrize(
    "label", ["xn--0", "xn--a", "xn--a-b-0", "xn--" + "a" * 59, "xn--a-", "xn--", "xn--99999999", "xn---fiqs8s"]
)
def test_what_only_begins_like_an_ascii_form(label: str) -> None:
    """It could be submitted, and never be called."""
    for url in (f"https://{label}.com/", f"https://hooks.{label}.example.com/"):
        with pytest.raises(ValueError, match="must name a host"):
            checked(url, PUBLIC)


def test_a_half_of_a_letter_is_none() -> None:
    """Of UTF-16, in an ASCII form: right by the code, and no text."""
    label = "xn--" + "\ud800".encode("punycode").decode()
    with pytest.raises(ValueError, match="punycode"):
        checked(f"https://{label}.com/", PUBLIC)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("1.1.1.1", True),
        ("172.32.0.1", True),
        ("100.63.255.255", True),
        ("2600:1f18::1", True),
        ("64:ff9b::8.8.8.8", True),
        *((each, False) for each in (
            "0.0.0.0", "10.0.0.1",  # noqa: S104 - it is refused
            "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.255", "168.63.129.16", "169.254.169.254",
            "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
            "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
            "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::169.254.169.254", "64:ff9b:1::1", "100::1",
            "2001::1", "2001:0:7f00:1::", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254",
            "fe80::1", "fe80::1%eth0", "2600:1f18::1%eth0", "fec0::1", "ff02::1",
        )),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool) -> None:
    """What is not known to be harmless is not."""
    assert is_public(ipaddress.ip_address(address)) is public
    assert may_be_called(ipaddress.ip_address(address), PUBLIC) is public


def test_what_a_tenant_is_held_to() -> None:
    """Exact names, names below one, and ports."""
    rules = Rules(ports=(8443,), allowed_hosts=("hooks.acme.com", "*.acme.net"))
    for url in ("https://hooks.acme.com/", "https://hooks.acme.com:8443/", "https://a.b.acme.net/"):
        checked(url, rules)
    for url in (
        "https://acme.com/", "https://x.hooks.acme.com/", "https://acme.net/", "https://evilacme.net/", "https://acme.net.evil.com/",
        "https://hooks.acme.com.evil.com/", "https://hooks.acme.com:8080/", "https://8.8.8.8/",
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"not allowed here|names port"):
            checked(url, rules)
    with pytest.raises(ValueError, match="not allowed"):
        checked("https://hooks.example.com/", Rules(allowed_hosts=()))


def test_loopback_is_for_laptops() -> None:
    """There by http too, and on every port; and nowhere else so."""
    for url in ("http://127.0.0.1:8080/", "http://localhost:1/", "https://[::1]:9/"):
        checked(url, Rules(loopback=True))
        with pytest.raises(ValueError, match=r"must begin|public internet"):
            checked(url, PUBLIC)
    for url in ("http://hooks.example.com/", "http://10.0.0.1/", "http://127.0.0.1.example.com/", "http://[::ffff:127.0.0.1]/"):
        with pytest.raises(ValueError, match="must begin"):
            checked(url, Rules(loopback=True))
