"""Every figure of the pages comes from a record that names seed, commit and machine."""

import copy
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from bench import burst
from bench import record as any_record
from bench.peers import page, record
from bench.peers.statistics import added, quantile, quota_use
from tests.support.processes import ROOT

_RUN: dict[str, Any] = {
    "scenario": "cpu",
    "title": "no quota",
    "jobs": 10,
    "completed": 10,
    "regions": 3,
    "cpu_ms_a_job": 2.0,
    "jobs_a_second": 50.0,
    "peak_mib": 80.0,
    "throttled": 0,
    "latency_p50_seconds": 0.5,
    "latency_p95_seconds": 0.6,
    "aws_calls": {"UpdateItem": 20, "ReceiveMessage": 5, "DeleteMessage": 10},
}
_RECORD: dict[str, Any] = {
    "seed": 1,
    "commit": "0123456789",
    "date": "2026-11-21 23:00",
    "command": "python -m bench.peers",
    "machine": {"cores": 2, "cpu": "a CPU", "system": "Linux", "python": "3.11.7", "load_before": 0.1},
    "packages": {"celery": "5.7.0"},
    "runs": [_RUN | {"system": "quarry"}, _RUN | {"system": "celery", "cpu_ms_a_job": 4.0}],
}


def test_records_are_whole() -> None:
    """A record without seed, commit or machine, or of files that were not committed, is refused."""
    assert {name: found for name, each in record.read().items() if (found := record.faults(each))} == {}


def test_other_records_name_seed_commit_and_machine() -> None:
    """Whatever was measured for a page."""
    records = (ROOT / "docs" / "reference").glob("*.json")
    assert {path.name: found for path in records if (found := any_record.faults(any_record.read(path)))} == {}


def test_page_is_written_from_the_records() -> None:
    """A page that tells something else than its records is refused."""
    assert page.PAGE.read_text() == page.rendered(record.read()), "`.venv/bin/python -m bench.peers --publish` writes it anew"


def test_pictures_are_drawn_from_the_records() -> None:
    """A picture that was drawn from other records is refused, and one that the page shows and is not there."""
    shown = {name for name in record.read() if f"](bench/{name}.png)" in page.PAGE.read_text()}
    pictures = {path.stem: _text_of(path).get("Records") for path in record.FOLDER.glob("*.png")}
    assert pictures == dict.fromkeys(shown, record.digest())


@pytest.mark.parametrize("name", ["seed", "commit", "machine", "date", "command", "runs"])
def test_record_lacks_something(name: str) -> None:
    """What a record must name, it must name."""
    assert record.faults(_RECORD) == []
    lacking = {key: value for key, value in _RECORD.items() if key != name}
    assert any(name in fault for fault in record.faults(lacking))


def test_the_burst_is_drawn_from_its_record() -> None:
    """`.venv-bench/bin/python -m bench.burst` draws it anew."""
    assert _text_of(burst.PICTURE).get("Records") == burst.digest()


@pytest.mark.parametrize("name", ["cores", "cpu", "python", "load_before"])
def test_record_lacks_something_of_the_machine(name: str) -> None:
    """A figure without its machine says nothing."""
    lacking = copy.deepcopy(_RECORD)
    del lacking["machine"][name]
    assert record.faults(lacking) == [f"no {name} of the machine"]


@pytest.mark.parametrize("commit", ["0123456789-dirty", "", "main"])
def test_record_of_no_commit(commit: str) -> None:
    """Files that differ from a commit are nobody else's to measure again."""
    assert record.faults(_RECORD | {"commit": commit}) == [f"{commit} is no commit"]


@pytest.mark.parametrize("commit", ["0123456789", "v0.1.0-12-g0123456789"])
def test_record_of_a_commit(commit: str) -> None:
    """As `git describe --always --long` names it."""
    assert record.faults(_RECORD | {"commit": commit}) == []


def test_record_of_a_seed_that_is_no_number() -> None:
    """A seed that nobody can give again is none."""
    assert record.faults(_RECORD | {"seed": None}) == ["the seed is no number"]


def test_record_is_read_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is one JSON document, with nothing lost."""
    monkeypatch.setattr(record, "FOLDER", tmp_path)
    record.write("cpu", _RECORD)
    assert record.read(tmp_path) == {"cpu": _RECORD}


def test_page_tells_a_figure_and_its_ratio() -> None:
    """CPU stands beside the best peer's of the same run."""
    told = page.rendered({"cpu": _RECORD})
    assert "| Quarry | 2.00 (2.00 to 2.00) | 0.50 |" in told
    assert "commit `0123456789`, seed 1, 2 cores (a CPU), Python 3.11.7, load before 0.1" in told
    assert "NOT RUN" in told.partition("## Delay")[2].partition("##")[0]


def test_page_tells_what_was_lost() -> None:
    """A job without a result is told, and where it is."""
    run = _RUN | {"system": "celery", "completed": 8, "left_on_queue": 1, "dead_letters": 1, "throttled": 5}
    run |= {"quota": {"share": 0.975}}
    told = page.rendered({"smooth": _RECORD | {"runs": [run]}})
    assert "| Celery (gevent) | 3 | 97.5% | 0.500 | 2 of 10 | 1 | 1 | 50.0 |" in told


@pytest.mark.parametrize(("part", "expected"), [(0.5, 2), (0.95, 4), (0.75, 3), (0.0, 1)])
def test_quantile(part: float, expected: int) -> None:
    """The least value that so many do not exceed."""
    assert quantile([4, 1, 3, 2], part) == expected


def test_quantile_of_nothing() -> None:
    """Without a job there is no delay."""
    assert quantile([], 0.5) is None


def test_use_of_a_smooth_quota() -> None:
    """The cold start does not count, and neither does the end, where there is too little to do: 60 s of ten calls, then nothing."""
    served = [30, *[10] * 59, *[1] * 20]
    use = quota_use(served, sum(served), 20, 600)
    assert use is not None
    assert (use.first_second, use.last_second, use.served, use.granted) == (30, 59, 290, 290.0)
    assert use.share == 1.0


def test_use_of_a_quota_by_the_minute() -> None:
    """Whole minutes of the quota, as they begin, not of the run; that all of it is used at once makes no difference."""
    minute = [300, 250, *[0] * 58]
    use = quota_use([600, *[0] * 55, *minute, *[2] * 40], 1230, 40, 600, minutes_at=56.3)
    assert use is not None
    assert (use.first_second, use.last_second, use.served, use.granted) == (56, 116, 550, 600.0)


def test_minute_that_begins_in_the_cold_start() -> None:
    """A minute that begins before the steady state is left out, whole."""
    use = quota_use([10] * 200, 2000, 10, 600, minutes_at=29.9)
    assert use is not None
    assert (use.first_second, use.last_second) == (89, 149)


@pytest.mark.parametrize("minutes_at", [None, 5.0])
def test_use_of_a_short_run(minutes_at: float | None) -> None:
    """A run without a steady state has no figure of it, rather than a good one."""
    assert quota_use([50] * 10, 500, 10, 600, minutes_at) is None
    assert quota_use([], 500, 10, 600, minutes_at) is None


def test_loss_does_not_lengthen_the_steady_state() -> None:
    """A system that loses jobs is measured until the last call that was served."""
    use = quota_use([10] * 50 + [0] * 100, 1000, 10, 600)
    assert use is not None
    assert use.last_second == 49


def test_seconds_of_regions_are_added_by_the_clock() -> None:
    """Regions are first called at different moments; a second is the same one for all."""
    pairs = [
        {"first_call_at": 100.2, "by_second": {"first": 0, "served": [1, 2, 3]}},
        {"first_call_at": 101.5, "by_second": {"first": 0, "served": [10, 20]}},
    ]
    assert added(pairs, "served") == [1, 12, 23]
    assert added([], "served") == []


def _text_of(path: Path) -> dict[str, str]:
    """The tEXt chunks of a PNG."""
    data, at, found = path.read_bytes(), 8, {}
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0]
        if kind == b"tEXt":
            key, _, value = body.partition(b"\0")
            found[key.decode()] = value.decode()
        at += 12 + size
    return found
