"""The picture of `docs/reference/autoscaling-burst.md`, drawn from its record: `.venv-bench/bin/python -m bench.burst`.

Runs in the environment of the peers, where matplotlib is. The picture carries the digest of the record, which tells an old one.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

RECORD: Final = Path(__file__).resolve().parents[1] / "docs" / "reference" / "autoscaling-burst.json"
PICTURE: Final = RECORD.with_suffix(".png")


def digest() -> str:
    """Of the record."""
    return hashlib.sha256(RECORD.read_bytes()).hexdigest()[:16]


def main() -> None:
    """Draw it."""
    # Only here: the digest is asked for where there is no matplotlib.
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    mpl.use("Agg")
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "figure.dpi": 100})
    figures = json.loads(RECORD.read_text(encoding="utf-8"))["figures"]
    figure, (jobs, tasks) = plt.subplots(2, 1, figsize=(7.2, 4.6), sharex=True, height_ratios=(3, 2))
    _draw(jobs, figures["series"], {"waiting": "#9aa5ab", "working": "#1f6f8b"}, "jobs")
    _draw(tasks, figures["series"], {"asked": "#c8553d", "running": "#333333"}, "tasks")
    for change in figures["changes"]:
        tasks.annotate(change["by"].removeprefix("scaled-worker-"), (change["minute"], change["to"]), fontsize=7, rotation=20)
    jobs.axvline(figures["burst_at"], color="#333333", linewidth=0.8, linestyle=":", label="the burst")
    jobs.legend(frameon=False)
    tasks.legend(frameon=False)
    tasks.set_xlabel(f"minutes of the evaluator, {figures['seconds_a_minute']:g} s each")
    figure.tight_layout()
    figure.savefig(PICTURE, metadata={"Records": digest(), "Software": None})


def _draw(axes: Any, series: dict[str, list[float]], colours: dict[str, str], label: str) -> None:
    for name, colour in colours.items():
        axes.step(range(len(series[name])), series[name], where="post", color=colour, linewidth=1.2, label=name)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)


if __name__ == "__main__":
    main()
