"""No test reaches beyond this machine: a forgotten endpoint must not find a real AWS account."""

import ipaddress
import sys


class ReachedOutside(AssertionError):
    """A test tried to."""


def refuse_the_outside() -> None:
    """From now on, refuse to look up or connect to anything but loopback, in this process."""
    sys.addaudithook(_watch)


def _watch(event: str, args: tuple[object, ...]) -> None:
    if event == "socket.connect":
        address = args[1]
        host = address[0] if isinstance(address, tuple) else "localhost"
    elif event == "socket.getaddrinfo":
        host = args[0] or "localhost"
    else:
        return
    if not _is_loopback(host.decode() if isinstance(host, bytes) else str(host)):
        raise ReachedOutside(f"{event}: {host} is not loopback")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.split("%", maxsplit=1)[0]).is_loopback
    except ValueError:
        return host == "localhost"
