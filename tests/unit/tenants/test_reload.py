"""`tenants.toml` is followed as `routes.toml` is; how, is told there."""

import asyncio
from pathlib import Path

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from quarry.telemetry.metrics import FilesMetrics
from quarry.tenants.reload import TenantsFile
from quarry.testing import FakeClock


class Hasty(FakeClock):
    """Nobody waits."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


async def test_what_has_changed_holds_and_what_is_wrong_changes_nothing(tmp_path: Path) -> None:
    """For everybody who was handed the tenants; and it is told."""
    path, registry, clock = tmp_path / "tenants.toml", CollectorRegistry(), Hasty()
    path.write_text("[default.limits]\nmax_tokens = 1")
    file = TenantsFile(str(path), FilesMetrics(registry), clock)
    tenants = file.tenants

    async def looked() -> list[str]:
        with capture_logs() as lines:
            await file.look()
        return [line["event"] for line in lines]

    assert await looked() == []
    path.write_text("[default.limits]\nmax_tokens = 2\n[tenants.acme]")
    assert await looked() == ["tenants.reloaded"]
    assert tenants.of("anybody").limits.max_tokens == 2
    path.write_text("[default.limits]\nmax_tokens = 0")
    assert await looked() == ["tenants.refused"]
    assert tenants.of("anybody").limits.max_tokens == 2
    assert registry.get_sample_value("quarry_tenants_refused") == 1
