"""Failed lines that run again: each once, whatever dies in between."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from quarry.errors import ApiUnreachable
from quarry.runs.patience import RunStopped
from quarry.runs.tally import Tally
from tests.unit.runs.world import World, named, nobody, problem, reset


def ended(world: World, **by_name: str) -> None:
    """From now on the jobs of these lines, as they are now, end like this."""
    told = {
        job["request_id"]: by_name[job["body"]["custom_id"]] for job in world.jobs.values() if job["body"]["custom_id"] in by_name
    }

    def view(job: dict[str, Any]) -> dict[str, Any]:
        status = told.get(job["request_id"], job["status"])
        error = {"code": status, "message": "no"}
        return job if job["status"] != "completed" or status == job["status"] else job | {"status": status, "error": error}

    world.view = view


def failing(directory: Path) -> World:
    """A run that is over: line 1 completed, 2 failed, 3 expired, 4 was cancelled."""
    world = World(directory, *named(4))
    world.lookups = [lambda _: ended(world, c2="failed", c3="expired", c4="cancelled")]
    assert world.run().failed == 3
    return world


def test_failed_lines_run_again_as_other_jobs(tmp_path: Path) -> None:
    """Failed and expired ones: under other keys, once, and with one line of results each. What completed or was cancelled stays."""
    world = failing(tmp_path)
    before = world.rows
    assert world.retry("again") == 2
    assert set(world.rows) == {1, 4}
    assert world.run() == Tally(4, completed=3, failed=1, tokens=8)
    assert len(world.jobs) == 6
    assert {number: row for number, row in world.rows.items() if number in (1, 4)} == {number: before[number] for number in (1, 4)}
    assert world.retry("and again") == 0
    assert world.run().done == 4
    assert len(world.jobs) == 6


def test_a_line_may_fail_again_and_again(tmp_path: Path) -> None:
    """Each time it is another job, also where the line has a key of its own, which stands for the first."""
    world = World(tmp_path, '{"prompt": "p", "custom_id": "c1", "idempotency_key": "mine"}')
    for time in range(3):
        world.lookups = [lambda _: ended(world, c1="failed")]
        assert world.run().failed == 1
        assert world.retry(f"time {time}") == 1
        assert len(world.jobs) == time + 1
    assert world.run().completed == 1


def test_a_retry_that_dies_makes_no_second_job(tmp_path: Path) -> None:
    """Before the results were replaced: nothing has happened. While it submits: the same keys. Later: its jobs are followed."""
    world = failing(tmp_path)
    results = world.out.read_bytes()
    world.retry("lost")
    world.out.write_bytes(results)
    assert world.run().done == 4
    assert len(world.jobs) == 4

    def accepted_and_lost(bodies: list[dict[str, Any]]) -> httpx.Response:
        for body in bodies:
            world.accept(body)
        return reset(bodies)

    assert world.retry("again") == 2
    world.bulks = [accepted_and_lost]
    with pytest.raises(RunStopped):
        world.run()
    assert world.retry("too early") is None
    world.lookups = [problem(403)]
    with pytest.raises(RunStopped):
        world.run()
    assert world.retry("too early") is None
    assert world.run().completed == 3
    assert len(world.jobs) == 6


def test_a_job_that_was_redriven_is_followed(tmp_path: Path) -> None:
    """It has completed meanwhile, or works again: its line is not paid twice."""
    world = failing(tmp_path)
    ended(world, c3="expired")
    assert world.retry("again") == 2
    assert world.run().completed == 3
    assert len(world.jobs) == 5


def test_what_may_be_a_job_is_not_tried_again(tmp_path: Path) -> None:
    """`submission_undecided` was written since nobody knows; trying again would be what that avoids."""
    world = World(tmp_path, *named(2))
    world.bulks = [reset]
    with suppress(RunStopped):
        world.run()
    world.time += 24 * 3600
    assert world.run().failed == 2
    assert world.retry("again") == 0


def test_an_api_that_is_away_changes_nothing(tmp_path: Path) -> None:
    """What has become of the jobs decides; without that, all stays as it is."""
    world = failing(tmp_path)
    results, journal = world.out.read_bytes(), world.out.with_suffix(".journal").read_bytes()
    world.lookups = [nobody]
    with pytest.raises(ApiUnreachable):
        world.retry("again")
    assert (world.out.read_bytes(), world.out.with_suffix(".journal").read_bytes()) == (results, journal)


def test_a_declared_answer_is_no_success_and_runs_again(tmp_path: Path) -> None:
    """A job that no model answered is counted apart, by a run that goes on with the file too, and is tried again as another one."""
    world = World(tmp_path, *named(3))
    world.view = lambda job: job | {"degraded": job["custom_id"] == "c2" and len(world.jobs) == 3}
    assert world.run() == Tally(3, completed=2, tokens=6, degraded=1)
    assert [number for number, row in world.rows.items() if row.get("degraded")] == [2]
    assert world.run().degraded == 1
    assert world.retry("again") == 1
    assert world.run() == Tally(3, completed=3, tokens=6)
    assert len(world.jobs) == 4
