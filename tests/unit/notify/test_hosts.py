"""Bounds for tenants and their hosts: a dead one does not hold up the others."""

from datetime import timedelta

import pytest

from worker.notify.hosts import REMEMBERED, Hosts, Where

DEAD: Where = ("t", "dead", 443)


def call(hosts: Hosts, where: Where, now: float, *, answered: bool) -> None:
    assert hosts.wait(where, now) is None
    hosts.begin(where)
    hosts.end(where, now, answered=answered)


def silent(where: Where) -> Hosts:
    """A host that was called three times by then, and did not answer."""
    hosts = Hosts(8)
    for _ in range(3):
        call(hosts, where, 0, answered=False)
    return hosts


def test_one_host_and_one_tenant_have_a_share() -> None:
    """A quarter and a half of all calls at a time; what ends makes room."""
    hosts = Hosts(8)
    for host in ("a", "a", "b", "b"):
        assert hosts.wait(("one", host, 443), 0) is None
        hosts.begin(("one", host, 443))
    assert hosts.wait(("one", "c", 443), 0)
    hosts.end(("one", "a", 443), 0, answered=True)
    assert hosts.wait(("one", "b", 443), 0)
    assert hosts.wait(("one", "a", 443), 0) is None


def test_a_silent_host_is_left_alone_for_longer_and_longer() -> None:
    """After three failures in a row; then one call at a time asks whether it is back; an answer of any kind ends it."""
    hosts, now, quiet = silent(DEAD), 0.0, []
    for _ in range(8):
        wait = hosts.wait(DEAD, now)
        assert wait
        quiet.append(wait)
        now += wait.total_seconds()
        assert hosts.wait(DEAD, now) is None
        hosts.begin(DEAD)
        assert hosts.wait(DEAD, now) == timedelta(seconds=3)
        hosts.end(DEAD, now, answered=False)
    assert [each.total_seconds() for each in quiet] == [10, 20, 40, 80, 160, 320, 600, 600]
    call(hosts, DEAD, now + 600, answered=True)
    assert hosts.wait(DEAD, now + 600) is None


@pytest.mark.parametrize("other", [("t", "well", 443), ("t", "dead", 8443), ("u", "dead", 443)])
def test_others_are_not_touched(other: Where) -> None:
    """By the silence of one tenant's host at one port: other hosts, other ports, and other tenants, whose host it is too."""
    hosts = silent(DEAD)
    assert hosts.wait(DEAD, 0)
    assert hosts.wait(other, 0) is None
    call(hosts, other, 0, answered=True)
    assert hosts.wait(DEAD, 0)


def test_a_tenant_cannot_use_up_a_host_of_all() -> None:
    """Its calls to a host that is slow leave room for another's to the same."""
    hosts = Hosts(8)
    for _ in range(2):
        hosts.begin(("one", "slow", 443))
    assert hosts.wait(("one", "slow", 443), 0)
    assert hosts.wait(("two", "slow", 443), 0) is None


def test_a_tenant_that_names_many_dead_hosts_makes_nobody_else_forget() -> None:
    """What is remembered is bounded for each tenant: of its own hosts, the oldest is forgotten."""
    hosts = silent(DEAD)
    for i in range(2 * REMEMBERED):
        call(hosts, ("u", f"{i}.dead", 443), 0, answered=False)
    assert hosts.wait(DEAD, 0)
    assert hosts.remembered == 1 + REMEMBERED
    call(hosts, DEAD, 600, answered=True)
    assert hosts.remembered == REMEMBERED


def test_a_tenants_probe_does_not_end_anothers_silence() -> None:
    """Nor does its failure begin one."""
    hosts = silent(DEAD)
    for _ in range(2):
        call(hosts, ("u", "dead", 443), 0, answered=False)
    assert hosts.wait(("u", "dead", 443), 0) is None
