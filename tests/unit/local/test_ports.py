"""The ports of the local stack: the same every time, and a reason where they cannot be had."""

import socket

import pytest

from quarry.errors import ConfigurationError
from quarry.local.ports import HOST, Ports, choose


def free_run(count: int) -> int:
    """The first of so many free ports in a row."""
    for first in range(21_000, 32_000, count):
        try:
            choose(Ports(api=0, aws=0, simulator=0, metrics=first), count - 1)
        except ConfigurationError:
            continue
        return first
    raise AssertionError("no free ports")


def test_what_is_asked_for_is_what_one_gets() -> None:
    """Metrics go up from the first worker's: then the API's, as the settings' defaults have it, then the other workers'."""
    first = free_run(7)
    chosen = choose(Ports(api=first, aws=first + 1, simulator=first + 2, metrics=first + 3), 3)
    assert (chosen.api, chosen.aws, chosen.simulator) == (first, first + 1, first + 2)
    assert chosen.worker_metrics == (first + 3, first + 5, first + 6)
    assert chosen.api_metrics == first + 4


def test_nought_is_any_free_port() -> None:
    """Each a port of its own."""
    chosen = choose(Ports(api=0, aws=0, simulator=0, metrics=0), 2)
    ports = [chosen.api, chosen.aws, chosen.simulator, chosen.api_metrics, *chosen.worker_metrics]
    assert len(set(ports)) == len(ports) == 6
    assert 0 not in ports


def test_all_that_is_taken_is_named_at_once() -> None:
    """With the option that moves it: nobody wants to find out one by one."""
    with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as other:
        first, second = one.getsockname()[1], other.getsockname()[1]
        with pytest.raises(ConfigurationError) as caught:
            choose(Ports(api=0, aws=first, simulator=0, metrics=second), 1)
    assert f"port {first}, for emulated AWS (--aws-port); port {second}, for metrics (--metrics-port)" in str(caught.value)


def test_a_number_given_twice_is_taken_the_second_time() -> None:
    """Two parts cannot listen on one port."""
    port = free_run(2)
    with pytest.raises(ConfigurationError, match=f"port {port}, for emulated AWS"):
        choose(Ports(api=port, aws=port, simulator=0, metrics=0), 1)


def test_a_number_beyond_the_last_port_is_refused() -> None:
    """The metrics of many workers may run out of ports."""
    with pytest.raises(ConfigurationError, match="--metrics-port 65535 leaves no room"):
        choose(Ports(api=0, aws=0, simulator=0, metrics=65_535), 1)


def test_the_defaults_are_those_of_the_verbs_and_settings() -> None:
    """So that what the documents show holds for either way of starting."""
    from quarry.cli import parser
    from quarry.settings import ApiSettings, WorkerSettings

    ports = Ports()
    assert parser().parse_args(["api"]).port == parser().parse_args(["local"]).port == ports.api
    assert parser().parse_args(["simulator"]).port == parser().parse_args(["local"]).simulator_port == ports.simulator
    assert parser().parse_args(["local"]).aws_port == ports.aws
    assert (WorkerSettings().metrics_port, ApiSettings().metrics_port) == (ports.metrics, ports.metrics + 1)
