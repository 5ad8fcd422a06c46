"""Whose word on sampling counts: a caller's, once the API knows who it is. A stranger's would decide what our traces cost.

Whether a span is recorded is decided as it begins, before anybody has looked at a credential; whether it is sent, at its end. So a
request that goes on with a caller's trace, and whose caller was not admitted, is sent only where a trace of our own would have been
kept. By a draw of ours: of a trace's id, by which a ratio is judged elsewhere, the caller is the author.
"""

from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler
from opentelemetry.trace import SpanKind

from quarry.telemetry.conventions import TENANT

_IDS: Final = RandomIdGenerator()


class Admitted(SpanProcessor):
    """Hands on every span but those of strangers' requests, of which `sampler` decides as if each began a trace."""

    def __init__(self, processor: SpanProcessor, sampler: Sampler) -> None:
        self._processor = processor
        self._sampler = sampler

    def on_end(self, span: ReadableSpan) -> None:
        """The span has ended."""
        if not _by_a_stranger(span) or self._kept():
            self._processor.on_end(span)

    def shutdown(self) -> None:
        """Send no more."""
        self._processor.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits."""
        return self._processor.force_flush(timeout_millis)

    def _kept(self) -> bool:
        decision = self._sampler.should_sample(Context(), _IDS.generate_trace_id(), "").decision
        return decision is Decision.RECORD_AND_SAMPLE


def _by_a_stranger(span: ReadableSpan) -> bool:
    """Whether it is a request in a trace that its caller began, and nobody has found out who that is."""
    return span.kind is SpanKind.SERVER and span.parent is not None and TENANT not in (span.attributes or {})
