"""Opens the traces of a process. Only composition roots call it; what sends them is imported here, and only where it is wanted."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from quarry.errors import ConfigurationError
from quarry.settings import Settings
from quarry.telemetry.tracing import OFF, Tracing


@asynccontextmanager
async def opened_tracing(settings: Settings, service: str) -> AsyncIterator[Tracing]:
    """What the settings ask for, for the length of the block; what was not sent yet is sent at its end, within seconds.

    Raises:
        ConfigurationError: tracing is on, and what it needs is not installed, or one of its variables is wrong.
    """
    if not settings.tracing.enabled:
        yield OFF
        return
    stack = AsyncExitStack()
    try:
        from quarry.telemetry.otlp import opened

        tracing = await stack.enter_async_context(opened(settings, service))
    except ValueError as error:
        raise ConfigurationError(
            f"QUARRY_TRACING__ENABLED: OpenTelemetry refuses a variable of its own (OTEL_…): {error}"
        ) from error
    except ImportError as error:
        raise ConfigurationError(
            f"QUARRY_TRACING__ENABLED needs packages that are not here ({error.name}): install `bedrock-quarry[otel]`"
        ) from error
    async with stack:
        yield tracing
