"""The audit log's eye on requests: from where they come."""

from ipaddress import ip_address
from typing import Any

from fastapi import Request

from quarry.telemetry.acts import Act
from quarry.telemetry.audit import AuditLog, Who


class Witness:
    """Records what callers do and what they are not let do, with their address.

    Args:
        log: the audit log.
        proxies: how many proxies stand in front, whose entries of `X-Forwarded-For` are believed.
    """

    def __init__(self, log: AuditLog, proxies: int) -> None:
        self._log = log
        self._proxies = proxies

    def saw(self, act: Act, who: Who, request: Request, **fields: Any) -> None:
        """Record what somebody did."""
        self._log.record(act, who, client=address_of(request, self._proxies), **fields)

    def saw_refused(self, act: Act, who: Who, request: Request, **fields: Any) -> None:
        """Record what somebody was not let do."""
        route = request.scope["route"].path
        self._log.refused(act, who, client=address_of(request, self._proxies), method=request.method, route=route, **fields)


def address_of(request: Request, proxies: int) -> str:
    """The caller's address: that of the connection, or what the outermost of our `proxies` saw.

    Each proxy adds, at the right end, the address that it was called from. What is further left, the caller has written.
    """
    peer = request.client.host if request.client else ""
    if not proxies:
        return peer
    entries = ",".join(request.headers.getlist("x-forwarded-for")).split(",")[-proxies:]
    return _address_in(entries[0]) or peer


def _address_in(entry: str) -> str:
    """The address of an entry, with a port behind it, if a load balancer was told to add that; empty where there is none."""
    text = entry.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        # A scope (`fe80::1%eth0`) is any text, and means nothing here.
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return ""
