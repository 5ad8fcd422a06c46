"""A histogram for two kinds of readers: Prometheus', whose coarse buckets add up for ever, and CloudWatch's, who is handed what
came since the last time, finely enough for percentiles.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import prometheus_client

#: Steps in a factor of e: a value is handed over no more than 2.5 % off. Our own choice.
_STEPS: Final = 20
#: What is shorter counts as this many seconds: nobody asks for percentiles of it.
_LEAST: Final = 0.001

_log = math.log


class Histogram(prometheus_client.Histogram):
    """Prometheus' histogram, which also keeps what it has seen since it was last asked: one number for each step, and at most
    some four hundred of them between a millisecond and a week. To be used by one thread, as everything beside an event loop.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lately: dict[int, int] = {}
        super().__init__(*args, **kwargs)

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Observe an amount, of seconds."""
        super().observe(amount, exemplar)
        if not math.isfinite(amount):
            return
        step = round(_log(max(amount, _LEAST)) * _STEPS)
        self._lately[step] = self._lately.get(step, 0) + 1

    def taken(self) -> Iterator[tuple[dict[str, str], dict[float, int]]]:
        """What came since the last call: the labels, and how often which value. Labels for which nothing came are left out."""
        children: Iterable[tuple[Sequence[str], Any]] = self._metrics.items() if self._labelnames else [((), self)]
        for labels, child in children:
            if child._lately:  # noqa: SLF001 - of this class
                lately, child._lately = child._lately, {}  # noqa: SLF001 - likewise
                seconds = {float(f"{math.exp(step / _STEPS):.4g}"): count for step, count in sorted(lately.items())}
                yield dict(zip(self._labelnames, labels, strict=True)), seconds
