"""Which addresses a webhook may lead to: URLs, names, and what names resolve to. Pure.

Whoever submits a job chooses the URL, and the worker that calls it stands inside your network. So a URL is read strictly, by one
grammar, before anything else reads it; a name must look like one of the public internet; and an address must be one of it. What is
not known to be harmless is refused.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Our own choice.
URL_MAX_LENGTH: Final = 2048
HTTPS_PORT: Final = 443
_PORTS: Final = {"https": HTTPS_PORT, "http": 80}

#: RFC 3986, narrowed: no userinfo, no fragment, no empty port, nothing that is percent-encoded in the host, and ASCII only.
_URL: Final = re.compile(
    r"(?P<scheme>[a-z]+)://"
    r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
    r"(?:\?(?P<query>(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*))?"
)
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
#: At least two labels, and the last begins with a letter: what is all digits, or 0x…, some libraries take for an IPv4 address.
_NAME: Final = re.compile(rf"(?=.{{4,253}}\Z)(?:{_LABEL}\.)+(?=[a-z]){_LABEL}")
#: How a label in its ASCII form begins, and what none of them may hold: control characters and halves of UTF-16.
_ENCODED: Final = "xn--"
_NO_LETTERS: Final = ("Cc", "Cs")
_PATTERN: Final = re.compile(rf"(?:\*\.)?{_NAME.pattern}")

#: Names that never lead to the public internet, or mean this machine or its network. Sources: IANA's Special-Use Domain Names, RFC
#: 6762 (appendix G), ICANN's reservation of `internal` (2024), and what home routers hand out (all read in November 2026).
_INNER: Final = (
    "localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa", "in-addr.arpa",
    "ip6.arpa", "test", "invalid", "example", "onion", "alt",
)  # fmt: skip

#: Sources: IANA's IPv4 Special-Purpose Address Registry and its registry of multicast addresses (read in November 2026).
_IPV4: Final = tuple(
    ipaddress.IPv4Network(each)
    for each in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared address space; in it, some clouds' metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's own, inside each virtual machine
        "169.254.0.0/16",  # link-local: metadata of EC2 (169.254.169.254), credentials of ECS (169.254.170.2)
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
#: All of IPv6 that is public is in here; metadata (fd00:ec2::254), link-local, mapped and compatible addresses are not.
_IPV6_PUBLIC: Final = ipaddress.IPv6Network("2000::/3")
#: Of that, what is not public, or hides an IPv4 address. Source: IANA's IPv6 Special-Purpose Address Registry (November 2026).
_IPV6: Final = tuple(
    ipaddress.IPv6Network(each)
    for each in (
        "2001::/23",  # IETF protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
#: An IPv4 address in its last four bytes (RFC 6052): how a network that has IPv6 only reaches the rest.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Rules:
    """What is allowed, beside the public internet by https on port 443."""

    ports: Collection[int] = ()
    #: Exact names, and `*.example.com` for everything below one; None: every name.
    allowed_hosts: Sequence[str] | None = None
    #: `localhost` and its addresses, by http too and on every port. For a laptop.
    loopback: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """Where a webhook goes, in parts. `host` is a name in lower case, or an address without brackets."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def ip(self) -> IPAddress | None:
        """Where the host is an address."""
        return _ip(self.host)


def checked(url: str, rules: Rules) -> Address:
    """The parts of a URL that may be called, as far as can be told before its name is resolved.

    Raises:
        ValueError: it may not; the message says why, and follows the field's name.
    """
    if len(url) > URL_MAX_LENGTH:
        raise ValueError(f"has {len(url):,} characters; at most {URL_MAX_LENGTH:,} are allowed")
    found = _URL.fullmatch(url)
    if not found:
        raise ValueError(
            "must be a URL such as https://hooks.example.com/path: no user, no fragment, no spaces, "
            "and a name in its ASCII form (xn--...)"
        )
    scheme, host = found["scheme"], found["host"].lower().strip("[]")
    ip = _ip(host)
    if ip is None and not _NAME.fullmatch(host) and host != "localhost":
        raise ValueError("must name a host such as hooks.example.com, or an address in its usual form")
    if ip is None and not all(_is_right_if_encoded(each) for each in host.split(".")):
        raise ValueError("must name a host whose labels that begin with xn-- are punycode")
    here = rules.loopback and (host == "localhost" or (ip is not None and _is_loopback(ip)))
    if scheme != "https" and not (here and scheme == "http"):
        raise ValueError("must begin with https://")
    port = int(found["port"] or _PORTS[scheme])
    if not here:
        _check_public(host, ip, port, rules)
    elif not 1 <= port <= 65_535:
        raise ValueError("has a port that is none")
    return Address(scheme, host, port, found["path"] or "/", found["query"] or "")


def may_be_called(ip: IPAddress, rules: Rules) -> bool:
    """Whether a connection may lead there."""
    return is_public(ip) or (rules.loopback and _is_loopback(ip))


def is_public(ip: IPAddress) -> bool:
    """Whether an address is known to be one of the public internet."""
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in each for each in _IPV4)
    if ip in _NAT64:
        return is_public(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF))
    return ip.scope_id is None and ip in _IPV6_PUBLIC and not any(ip in each for each in _IPV6)


def host_pattern(text: str) -> str:
    """An entry of `allowed_hosts`, as it is compared.

    Raises:
        ValueError: it is none.
    """
    if not _PATTERN.fullmatch(text.lower()):
        raise ValueError(f"is {text!r}, and must be a host's name, or *. and one")
    return text.lower()


def _check_public(host: str, ip: IPAddress | None, port: int, rules: Rules) -> None:
    if ip is not None and not is_public(ip):
        raise ValueError("leads to an address that is not of the public internet")
    if ip is None and any(host == each or host.endswith(f".{each}") for each in _INNER):
        raise ValueError("names a host that is not of the public internet")
    if rules.allowed_hosts is not None and not any(_matches(host, each) for each in rules.allowed_hosts):
        raise ValueError("names a host that is not allowed here")
    if port != HTTPS_PORT and port not in rules.ports:
        raise ValueError(f"names port {port}; allowed here: {', '.join(map(str, sorted({HTTPS_PORT, *rules.ports})))}")


def _is_right_if_encoded(label: str) -> bool:
    """Whether what begins as the ASCII form of other letters is that of some, and their only one (RFC 3492, RFC 5890)."""
    if not label.startswith(_ENCODED):
        return True
    code = label.removeprefix(_ENCODED)
    try:
        text = code.encode().decode("punycode")
        again = text.encode("punycode").decode()
    except UnicodeError:
        return False
    return again == code and not text.isascii() and not any(unicodedata.category(each) in _NO_LETTERS for each in text)


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _is_loopback(ip: IPAddress) -> bool:
    # Not ::ffff:127.0.0.1: one form is enough for a laptop.
    return ip in ipaddress.IPv4Network("127.0.0.0/8") if isinstance(ip, ipaddress.IPv4Address) else ip == _LOOPBACK6


_LOOPBACK6: Final = ipaddress.IPv6Address("::1")


def _ip(host: str) -> IPAddress | None:
    """An address in its usual form: dotted decimal without leading zeros, or IPv6 without a zone."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
