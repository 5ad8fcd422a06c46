"""A Prometheus of one's own: it scrapes what a test has started, judges the rules that are shipped, and is asked over HTTP."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from tests.support.processes import ROOT, clean_environ, free_port, serving

#: Where `make prometheus` puts the programs.
PROGRAMS: Final = ROOT / ".prometheus"
#: What is shipped: the configuration, and beside it the rules that it names.
FOLDER: Final = ROOT / "docker" / "compose" / "prometheus"
#: How often it looks, and judges the rules. A scrape may take as long.
PACE_SECONDS: Final = 1.0

Sample = tuple[dict[str, str], float]


class Prometheus:
    """A running one."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=f"{url}/api/v1", timeout=10)

    def ask(self, expression: str) -> list[Sample]:
        """The vector that an expression has now: labels and value, each; a scalar has no labels. Fails where it is refused."""
        answer = self._client.get("/query", params={"query": expression}).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        found = answer["data"]
        if found["resultType"] == "scalar":
            return [({}, float(found["result"][1]))]
        return [(each["metric"], float(each["value"][1])) for each in found["result"]]

    def rules(self) -> list[dict[str, Any]]:
        """Every rule that it judges, with its `health`, `lastError`, and, of alerts, its `state`."""
        groups = self._client.get("/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def targets(self) -> list[dict[str, Any]]:
        """What it scrapes, with its `health` and `lastError`."""
        found: list[dict[str, Any]] = self._client.get("/targets").json()["data"]["activeTargets"]
        return found

    def close(self) -> None:
        """End the connection to it; it runs on."""
        self._client.close()


@contextmanager
def watching(directory: Path, targets: Mapping[str, Sequence[str]]) -> Iterator[Prometheus]:
    """One that scrapes these addresses (`host:port`, by job) and judges the rules that are shipped. It keeps all in `directory`."""
    config = directory / "prometheus.yml"
    config.write_text(json.dumps(_config(directory, targets)))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        str(PROGRAMS / "prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'series'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with serving(command, clean_environ(), directory / "prometheus.log", f"{url}/-/ready"):
        prometheus = Prometheus(url)
        try:
            yield prometheus
        finally:
            prometheus.close()


def _config(directory: Path, targets: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The configuration that is shipped, with addresses of this machine in the place of compose's, and in a hurry."""
    config: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    pace = f"{PACE_SECONDS * 1000:.0f}ms"
    config["global"] = {"scrape_interval": pace, "evaluation_interval": pace}
    config["rule_files"] = [str(_hurried(directory, FOLDER / each)) for each in config["rule_files"]]
    jobs = [job["job_name"] for job in config["scrape_configs"]]
    config["scrape_configs"] = [{"job_name": job, "static_configs": [{"targets": list(targets.get(job, ()))}]} for job in jobs]
    return config


def _hurried(directory: Path, rules: Path) -> Path:
    """A copy of a file of rules, without intervals of their own."""
    text: dict[str, Any] = yaml.safe_load(rules.read_text())
    for group in text["groups"]:
        group.pop("interval", None)
    copy = directory / rules.name
    copy.write_text(json.dumps(text))
    return copy
