"""What containers are built and run from, held to the code and to itself: nothing here needs an engine."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from producer.server import _STOP_SECONDS
from quarry.errors import ConfigurationError
from quarry.inference.routes_file import load_routes
from quarry.provision import LOCAL_HOSTS, provision
from quarry.settings import Environment, Settings, load_settings
from tests.support.processes import ROOT

DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("quarry-")}
PROMETHEUS: dict[str, Any] = yaml.safe_load((DOCKER / "compose/prometheus/prometheus.yml").read_text())
ALERTS: list[dict[str, Any]] = yaml.safe_load((DOCKER / "compose/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
#: Compose's own, where a service says nothing. Source: docker stop, Docker's reference (10 s on Linux).
GRACE_SECONDS = 10


def set_by(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    """The environment of a service of compose, in this process."""
    for name, value in SERVICES[service].get("environment", {}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("QUARRY_ROUTES_FILE", str(DOCKER / "compose/quarry/routes.toml"))


def test_images_are_built_without_attestations(tmp_path: Path) -> None:
    """Lambda refuses an image that is an index of OCI's, as buildx makes one where it attests the provenance."""
    engine, said = tmp_path / "docker", tmp_path / "said"
    engine.write_text(f'#!/bin/sh\necho "$BUILDX_NO_DEFAULT_ATTESTATIONS $*" >>{said}\n')
    engine.chmod(0o755)
    subprocess.run(
        [DOCKER / "build.sh", "dev", "producer-lambda"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        check=True,
        capture_output=True,
    )
    assert [line.split()[0] for line in said.read_text().splitlines() if "--file" in line] == ["1"]


@pytest.mark.parametrize("service", ["provision", "producer", "worker"])
def test_composes_settings_are_accepted(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    """The service would start with them, and finds the routes."""
    set_by(monkeypatch, service)
    settings = load_settings()
    assert settings.environment is Environment.LOCAL
    assert load_routes(settings.routes_file, settings.region)


def test_compose_waits_longer_than_a_worker_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the worker is told the truth about it, so that it refuses the contrary at its start."""
    set_by(monkeypatch, "worker")
    settings, service = load_settings().worker, SERVICES["worker"]
    assert service["stop_grace_period"] == f"{settings.grace_seconds}s"
    assert settings.grace_seconds is not None
    assert settings.grace_seconds > settings.drain_seconds
    assert "stop_grace_period" not in SERVICES["producer"]
    assert GRACE_SECONDS > _STOP_SECONDS


@pytest.mark.parametrize("service", OURS)
def test_our_services_have_no_rights(service: str) -> None:
    """A read-only root, no capabilities and none to be had, a first process that reaps, bounds."""
    told = OURS[service]
    assert (told["read_only"], told["tmpfs"], told["init"]) == (True, ["/tmp"], True)  # noqa: S108 - the container's own
    assert (told["cap_drop"], told["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert {"mem_limit", "cpus", "pids_limit"} <= told.keys()
    assert "user" not in told


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_published_on_loopback(service: str) -> None:
    """Whoever is beside this machine in a network gets at nothing."""
    assert all(each.startswith("127.0.0.1:${") for each in SERVICES[service].get("ports", []))


def test_what_is_mounted_and_built_is_there() -> None:
    """Else the engine would make an empty directory, and nobody would notice."""
    mounted = [each.split(":")[0] for service in SERVICES.values() for each in service.get("volumes", [])]
    built = [service["build"]["dockerfile"] for service in SERVICES.values() if "build" in service]
    assert [each for each in (*mounted, *built) if not (ROOT / each).exists()] == []
    tags = {service["image"] for service in OURS.values()}
    assert tags == {f"quarry-{Path(each).stem}:${{TAG:-dev}}" for each in built}


def test_provision_takes_the_emulator_for_local() -> None:
    """It refuses whatever may be a real account."""
    assert SERVICES["provision"]["environment"]["AWS_ENDPOINT_URL"] == "http://ministack:4566"
    assert "ministack" in LOCAL_HOSTS


def test_provision_refuses_what_may_be_a_real_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the place, and the variable that is missing."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ConfigurationError, match=r"them at https://sqs\.eu-west-1\.amazonaws\.com; set AWS_ENDPOINT_URL to"):
        provision(Settings(region="eu-west-1"))


def test_prometheus_watches_what_there_is() -> None:
    """Each process at the port on which it has its metrics."""
    jobs = {job["job_name"]: job for job in PROMETHEUS["scrape_configs"]}
    assert jobs.keys() == {"worker", "producer"} <= SERVICES.keys()
    found = jobs["worker"]["dns_sd_configs"][0]
    assert [f"{name}:{found['port']}" for name in found["names"]] == ["worker:9090"]
    assert jobs["producer"]["static_configs"] == [{"targets": ["producer:9091"]}]
    for name, port in (("worker", 9090), ("producer", 9091)):
        assert re.search(rf"METRICS_HOST=0\.0\.0\.0 QUARRY_[A-Z]+__METRICS_PORT={port}$", dockerfile(name), re.MULTILINE)


def test_everything_worth_an_alarm_has_one() -> None:
    """Each metric of the table in `docs/howto/watch.md`, but for those that only explain another."""
    page = (ROOT / "docs/howto/watch.md").read_text()
    signals = {
        found for row in re.findall(r"^\| (`quarry_[^|]*) \|", page, re.MULTILINE) for found in re.findall(r"quarry_[a-z_]+", row)
    }
    watched = {found for each in ALERTS for found in re.findall(r"quarry_[a-z_]+", each["expr"])}
    # A worker says how long its lanes wait now, unless it stands aside; the histogram says how long deliveries have waited.
    instead = {"quarry_lane_wait_seconds", "quarry_standing_aside"}
    assert {each.removesuffix("_sum").removesuffix("_count") for each in watched} == (
        signals - {"quarry_delivery_wait_seconds"} | instead
    )


def test_the_board_lies_where_grafana_looks() -> None:
    """And is the first thing to be seen."""
    providers = yaml.safe_load((DOCKER / "compose/grafana/provisioning/dashboards/quarry.yml").read_text())["providers"]
    mounted = dict(each.split(":")[:2] for each in SERVICES["grafana"]["volumes"])
    assert mounted["./docker/compose/grafana/dashboards"] == providers[0]["options"]["path"]
    assert SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].startswith(
        providers[0]["options"]["path"]
    )


def dockerfile(name: str) -> str:
    return (DOCKER / f"{name}.Dockerfile").read_text()


def test_worker_and_producer_share_their_layers() -> None:
    """The common part is the same, word for word: it is built once, and kept in step."""
    [worker, producer] = (re.split(r"^# ---.*$", dockerfile(name), flags=re.MULTILINE) for name in ("worker", "producer"))
    assert worker[1] == producer[1]
    assert len(worker) == len(producer) == 3


@pytest.mark.parametrize("path", sorted(DOCKER.glob("*.Dockerfile")), ids=lambda path: path.stem)
def test_a_dockerfile_builds_anywhere(path: Path) -> None:
    """On any base, without fetching a frontend, with packages held to their hashes."""
    text = path.read_text()
    assert "ARG BASE=" in text
    assert "# syntax=" not in text
    assert all(
        "--require-hashes" in line or "--no-index" in line for line in text.splitlines() if re.search(r"\bpip\b.* install ", line)
    )
