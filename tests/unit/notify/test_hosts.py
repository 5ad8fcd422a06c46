"""Bounds for tenants and hosts: a dead one does not hold up the others."""

from datetime import timedelta

from worker.notify.hosts import Hosts


def call(hosts: Hosts, host: str, now: float, *, answered: bool) -> None:
    assert hosts.wait("t", host, now) is None
    hosts.begin("t", host)
    hosts.end("t", host, now, answered=answered)


def test_one_host_and_one_tenant_have_a_share() -> None:
    """A quarter and a half of all calls at a time; what ends makes room."""
    hosts = Hosts(8)
    for host in ("a", "a", "b", "b"):
        assert hosts.wait("one", host, 0) is None
        hosts.begin("one", host)
    assert hosts.wait("one", "c", 0)
    assert hosts.wait("two", "a", 0)
    assert hosts.wait("two", "c", 0) is None
    hosts.end("one", "a", 0, answered=True)
    assert hosts.wait("two", "a", 0) is None


def test_a_silent_host_is_left_alone_for_longer_and_longer() -> None:
    """After three failures in a row; then one call at a time asks whether it is back; an answer of any kind ends it."""
    hosts, now, quiet = Hosts(8), 0.0, []
    for _ in range(3):
        call(hosts, "dead", now, answered=False)
    for _ in range(8):
        wait = hosts.wait("t", "dead", now)
        assert wait
        quiet.append(wait)
        now += wait.total_seconds()
        assert hosts.wait("t", "dead", now) is None
        hosts.begin("t", "dead")
        assert hosts.wait("t", "dead", now) == timedelta(seconds=3)
        hosts.end("t", "dead", now, answered=False)
    assert [each.total_seconds() for each in quiet] == [10, 20, 40, 80, 160, 320, 600, 600]
    call(hosts, "dead", now + 600, answered=True)
    assert hosts.wait("t", "dead", now + 600) is None


def test_others_are_not_touched() -> None:
    """By the silence of one host."""
    hosts = Hosts(8)
    for _ in range(5):
        hosts.begin("t", "dead")
        hosts.end("t", "dead", 0, answered=False)
    assert hosts.wait("t", "dead", 0)
    assert hosts.wait("t", "well", 0) is None
