"""The Bedrock simulator, as a test directs it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.processes import clean_environ, free_port, quarry, serving


class Simulator:
    """A running simulator."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=f"{url}/_simulator", timeout=10)

    def rule(
        self, act: Mapping[str, Any], *, match: Mapping[str, Any] | None = None, times: int | None = None, **members: Any
    ) -> str:
        """Add a rule; returns its id. Without `times` it holds until `reset`; `members` are `after_seconds`, `until_seconds`."""
        answer = self._client.post("/rules", json={"match": match or {}, "act": act, "times": times, **members})
        assert answer.status_code == 201, answer.text
        rule_id: str = answer.json()["id"]
        return rule_id

    def drop(self, rule_id: str) -> int:
        """Drop a rule; returns how many times it had left, zero where it was for ever."""
        [rule] = [each for each in self._client.get("/rules").json()["rules"] if each["id"] == rule_id]
        self._client.delete(f"/rules/{rule_id}").raise_for_status()
        return int(rule.get("times", 0))

    def quota(
        self, *, region: str | None = None, model: str | None = None, requests_per_minute: float | None = None, **members: Any
    ) -> str:
        """Set a quota in the place of one with the same match; returns its id. `members` are `tokens_per_minute`, `refill`, …"""
        match = {name: value for name, value in (("region", region), ("model", model)) if value is not None}
        answer = self._client.post("/quotas", json={"match": match, "requests_per_minute": requests_per_minute, **members})
        assert answer.status_code == 201, answer.text
        quota_id: str = answer.json()["id"]
        return quota_id

    def quotas(self) -> list[dict[str, Any]]:
        """What each pair of region and model that a quota means was granted, and what became of it."""
        answer = self._client.get("/quotas")
        assert answer.status_code == 200, answer.text
        pairs: list[dict[str, Any]] = answer.json()["pairs"]
        return pairs

    def guardrail(self, name: str, *words: str, region: str = "us-east-1", **members: Any) -> None:
        """Set a guardrail of version 1 that blocks words; `members` are `input_message` and `output_message`."""
        answer = self._client.post("/guardrails", json={"id": name, "region": region, "words": words, **members})
        assert answer.status_code == 201, answer.text

    def calls(self) -> dict[str, Any]:
        """The counters: `calls`, `answered`, `billed`, `by_outcome`, `by_request_id`."""
        answer = self._client.get("/calls")
        assert answer.status_code == 200, answer.text
        counters: dict[str, Any] = answer.json()
        return counters

    def reset(self) -> None:
        """No rules, no quotas, no guardrails, and all counters at zero."""
        self._client.delete("/rules").raise_for_status()
        self._client.delete("/quotas").raise_for_status()
        self._client.delete("/guardrails").raise_for_status()
        self._client.delete("/calls").raise_for_status()

    def close(self) -> None:
        """End the connection to it; it runs on."""
        self._client.close()


@contextmanager
def simulating(directory: Path) -> Iterator[Simulator]:
    """A simulator, as a process of its own; its log is in `directory`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with serving(quarry("simulator", "--port", str(port)), clean_environ(), directory / "simulator.log", f"{url}/livez"):
        simulator = Simulator(url)
        yield simulator
        simulator.close()
