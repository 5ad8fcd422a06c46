"""The pictures of `docs/reference/peers.md`, drawn from the records: `.venv-bench/bin/python -m bench.peers.plots`.

Runs in the peers' environment, where matplotlib is. Each picture carries the digest of the records, so that a
test can tell an old one.
"""

import json
from typing import Any, Final

import matplotlib as mpl
from matplotlib import pyplot as plt

from bench.peers.record import FOLDER, digest
from bench.peers.systems import SYSTEMS

_TITLES: Final = {system.name: system.title for system in SYSTEMS.values()}
_OURS, _PEER, _THROTTLED = "#1f6f8b", "#9aa5ab", "#c8553d"
_COLOURS: Final = {"quarry": _OURS, "threads": "#6b7a80", "celery": "#b7791f"}
#: By scenario: the axis and the figure of a run that it shows.
_GROWS: Final = {
    "growth-slots": ("slots", "concurrency"),
    "growth-workers": ("workers of 50 slots", "workers"),
    "growth-targets": ("regions", "regions"),
    "growth-queue": ("jobs in the queue", "jobs"),
}


def main() -> None:
    """Draw what there is."""
    mpl.use("Agg")
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 100})
    records = digest()
    for name, draw in {"cpu": _cpu, "smooth": _seconds, "minute": _seconds, "growth": _growth}.items():
        path = FOLDER / f"{name}.json"
        if path.exists():
            figure = draw(json.loads(path.read_text())["runs"])
            figure.savefig(FOLDER / f"{name}.png", metadata={"Records": records, "Software": None}, bbox_inches="tight")
            plt.close(figure)


def _cpu(runs: list[Any]) -> Any:
    names = [name for name in _TITLES if any(run["system"] == name for run in runs)][::-1]
    of = [sorted(run["cpu_ms_a_job"] for run in runs if run["system"] == name) for name in names]
    middles = [values[len(values) // 2] for values in of]
    spread = [[middle - values[0] for middle, values in zip(middles, of, strict=True)]]
    spread.append([values[-1] - middle for middle, values in zip(middles, of, strict=True)])
    figure, axes = plt.subplots(figsize=(6.4, 0.42 * len(names) + 0.9))
    colours = [_OURS if name == "quarry" else _PEER for name in names]
    bars = axes.barh([_TITLES[name] for name in names], middles, color=colours, xerr=spread, ecolor="#333333", capsize=2)
    axes.bar_label(bars, fmt="%.1f", padding=6)
    axes.set_xlabel("CPU, ms a job (median; lowest to highest)")
    axes.margins(x=0.12)
    return figure


def _seconds(runs: list[Any]) -> Any:
    names = [name for name in _TITLES if any(run["system"] == name for run in runs)]
    figure, grid = plt.subplots(len(names), 1, figsize=(6.4, 1.15 * len(names)), sharex=True, sharey=True, squeeze=False)
    top = 0
    for axes, name in zip(grid[:, 0], names, strict=True):
        run = next(run for run in runs if run["system"] == name)
        served, throttled = run["served_by_second"], run["throttled_by_second"]
        axes.step(range(len(served)), served, color=_OURS, where="post", linewidth=1, label="served")
        axes.step(range(len(throttled)), throttled, color=_THROTTLED, where="post", linewidth=1, label="throttled")
        axes.axhline(10 * run["regions"], color="#333333", linewidth=0.8, linestyle=":", label="quota, average")
        axes.set_title(f"{_TITLES[name]}, {run['regions']} region{'s' * (run['regions'] > 1)}", loc="left", fontsize=9, pad=3)
        top = max(top, *served, *throttled)
    grid[0, 0].set_ylim(0, 1.05 * top)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="upper right", ncols=3, frameon=False, fontsize=8)
    grid[-1, 0].set_xlabel("seconds since the first call")
    figure.supylabel("calls a second", fontsize=9)
    figure.tight_layout()
    return figure


def _growth(runs: list[Any]) -> Any:
    figure, grid = plt.subplots(1, len(_GROWS), figsize=(9, 2.6), sharey=True)
    for axes, (kind, (label, key)) in zip(grid, _GROWS.items(), strict=True):
        for name in _COLOURS:
            points = [
                (run[key], run["cpu_ms_a_job"])
                for run in runs
                if run["scenario"] == kind and run["system"] == name and run["cpu_ms_a_job"] is not None
            ]
            if points:
                axes.plot(*zip(*sorted(points), strict=True), marker="o", markersize=3, color=_COLOURS[name], label=_TITLES[name])
        axes.set_xticks(sorted({run[key] for run in runs if run["scenario"] == kind}))
        axes.set_xlabel(label)
    grid[0].set_ylim(0, 1.1 * max((run["cpu_ms_a_job"] or 0 for run in runs), default=1))
    grid[0].set_ylabel("CPU, ms a job")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="upper center", ncols=3, frameon=False, bbox_to_anchor=(0.5, 1.06))
    figure.tight_layout()
    return figure


if __name__ == "__main__":
    main()
