"""A run against an API that throttles, forgets, refuses and comes back: every line ends once, every key stands for one job."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from quarry.runs.patience import RunStopped
from quarry.runs.tally import Tally
from tests.unit.runs.world import World, id_of, lost, named, nobody, problem, reset


def test_no_more_are_open_than_allowed(tmp_path: Path) -> None:
    """In flight is bounded, batches are not one for each job that ends, and all is done in the end."""
    world = World(tmp_path, *named(1000))
    assert world.run(in_flight=100) == Tally(1000, completed=1000, tokens=2000)
    assert world.most_in_flight <= 100
    assert len(world.bulk_sizes) <= 21


def test_a_throttle_is_waited_out(tmp_path: Path) -> None:
    """429 and 503 with Retry-After: not before; then the same bodies, and the jobs are followed as before."""
    world = World(tmp_path, *named(3))
    world.bulks = [problem(429, **{"Retry-After": "40"}), problem(503, **{"Retry-After": "2"})]
    world.lookups = [problem(503)]
    assert world.run().completed == 3
    assert world.time >= 42
    assert len(world.jobs) == 3
    assert any("trying again" in each for each in world.said)


def test_a_submission_without_an_answer_is_sent_again_under_its_key(tmp_path: Path) -> None:
    """It had been accepted: no job is made twice. Smaller bulks follow, in case it was too much at once."""
    world = World(tmp_path, *named(400))

    def accepted_and_lost(bodies: list[dict[str, Any]]) -> httpx.Response:
        for body in bodies:
            world.accept(body)
        return lost(bodies)

    world.bulks = [problem(503), accepted_and_lost]
    assert world.run().completed == 400
    assert len(world.jobs) == 400
    assert world.bulk_sizes == [400, 200, 100, 100, 200]


def test_items_that_are_to_come_again_come_again(tmp_path: Path) -> None:
    """`submission_undecided` and what was not touched; what is refused is a failed line; a bug is not tried for ever."""
    world = World(tmp_path, *named(5))
    codes = iter(["submission_undecided", "queue_unavailable", "internal_error", "invalid_request"])

    def some(bodies: list[dict[str, Any]]) -> httpx.Response:
        failed = [{"error": {"code": code, "message": code, "errors": []}, "custom_id": None} for code in codes]
        return httpx.Response(202, json={"jobs": [*failed, world.accept(bodies[4])]})

    def bug(bodies: list[dict[str, Any]]) -> httpx.Response:
        rows = [world.accept(body) for body in bodies]
        at = [body["custom_id"] for body in bodies].index("c3")
        rows[at] = {"error": {"code": "internal_error", "message": "a bug", "errors": []}, "custom_id": "c3"}
        return httpx.Response(202, json={"jobs": rows})

    world.bulks = [some, bug, bug, bug, bug]
    tally = world.run()
    assert (tally.completed, tally.failed) == (3, 2)
    assert {number: row["error"]["code"] for number, row in world.rows.items() if row["status"] == "failed"} == {
        3: "internal_error", 4: "invalid_request",
    }  # fmt: skip


def test_one_line_that_spoils_a_bulk_is_found(tmp_path: Path) -> None:
    """The API refuses a whole request for one line's nesting or size: that line fails, and only it."""
    world = World(tmp_path, *named(37))

    def spoilt(bodies: list[dict[str, Any]]) -> httpx.Response | None:
        return problem(413, "payload_too_large")(bodies) if any(body["custom_id"] == "c23" for body in bodies) else None

    world.bulks = [spoilt] * 30
    tally = world.run()
    assert (tally.completed, tally.failed) == (36, 1)
    assert world.rows[23]["error"]["code"] == "payload_too_large"
    assert world.rows[23]["custom_id"] == "c23"


def test_a_line_that_is_refused_alone_has_its_own_fields(tmp_path: Path) -> None:
    """Where it stood in the bulk is nobody's business."""
    world = World(tmp_path, *named(1))
    errors = [{"path": "jobs[0].prompt", "message": "too long"}, {"path": "jobs[0]", "message": "odd"}]
    body = {"status": 422, "code": "invalid_request", "title": "no", "detail": "no", "errors": errors}
    world.bulks = [lambda _: httpx.Response(422, json=body)]
    world.run()
    assert [fault["path"] for fault in world.rows[1]["error"]["errors"]] == ["prompt", ""]


def test_a_refusal_of_everything_fails_no_line(tmp_path: Path) -> None:
    """A missing permission ends the run; nothing is written of what was not judged, and the run goes on later."""
    world = World(tmp_path, *named(3), "{")
    world.bulks = [problem(403, "forbidden")]
    with pytest.raises(RunStopped, match="forbidden"):
        world.run()
    assert set(world.rows) <= {4}
    assert world.run().completed == 3


@pytest.mark.parametrize(("hours", "undecided"), [(22, 0), (24, 3)])
def test_after_a_day_what_was_never_answered_is_not_paid_again(hours: int, undecided: int, tmp_path: Path) -> None:
    """Within it the key makes sending again safe. After it such a line fails, and says what can be done; later ones run."""
    world = World(tmp_path, *named(5))
    world.bulks = [reset]
    with pytest.raises(RunStopped):
        world.run(in_flight=3)
    world.time += hours * 3600
    tally = world.run(in_flight=3)
    assert (tally.failed, tally.completed) == (undecided, 5 - undecided)
    assert [row["error"]["code"] for row in world.rows.values() if "error" in row] == ["submission_undecided"] * undecided


def test_what_certainly_did_not_arrive_is_sent_also_days_later(tmp_path: Path) -> None:
    """Nobody listened, or the API said that it did nothing: there is nothing to pay twice."""
    world = World(tmp_path, *named(3))
    world.bulks = [nobody]
    with pytest.raises(RunStopped, match="no API answers"):
        world.run()
    world.bulks = [problem(503), nobody] + [nobody] * 100
    with pytest.raises(RunStopped):
        world.run()
    world.bulks.clear()
    world.time += 100 * 3600
    assert world.run().completed == 3


def test_jobs_of_an_earlier_sitting_are_followed_by_their_ids(tmp_path: Path) -> None:
    """Also days later, and though the results were lost: nothing is submitted for them."""
    world = World(tmp_path, *named(150))
    world.run()
    world.out.unlink()
    world.time += 100 * 3600
    world.bulk_sizes.clear()
    assert world.run().completed == 150
    assert world.bulk_sizes == []


def test_another_api_is_noticed(tmp_path: Path) -> None:
    """An API that knows no job of the run is another one: the lines must not all fail for that. One job that is gone is one
    failed line.
    """
    world = World(tmp_path, *named(3))
    world.run()
    world.out.unlink()
    gone, world.by_id = world.by_id, {}
    with pytest.raises(RunStopped, match="knows none"):
        world.run()
    assert world.rows == {}
    world.by_id = dict(list(gone.items())[1:])
    tally = world.run()
    assert (tally.completed, tally.failed) == (2, 1)
    assert world.rows[1]["error"]["code"] == "job_not_found"


def test_results_are_fetched_from_where_they_are(tmp_path: Path) -> None:
    """Left out of a full lookup: the job is got by itself. Too large to be shown: from its URL; where that fails for good, the
    line says so.
    """
    world = World(tmp_path, *named(3))

    def view(job: dict[str, Any]) -> dict[str, Any]:
        if job["status"] != "completed":
            return job
        by_name: dict[str, dict[str, Any]] = {
            "c1": {"result": None, "result_omitted": True},
            "c2": {"result": {"url": "http://api.example/large/2", "size_bytes": 9}},
            "c3": {"result": {"url": "http://api.example/gone/3", "size_bytes": 9}},
        }
        return job | by_name[job["custom_id"]]

    world.view = view
    tally = world.run()
    assert (tally.completed, tally.failed) == (2, 1)
    assert [world.rows[number]["result"]["text"] for number in (1, 2)] == ["p1", "large"]
    assert world.rows[3]["error"]["code"] == "result_unavailable"
    assert world.rows[3]["request_id"]


def test_equal_lines_are_paid_once_and_both_answered(tmp_path: Path) -> None:
    """One job, a line of results each."""
    world = World(tmp_path, *named(1) * 3)
    assert world.run().completed == 3
    assert len(world.jobs) == 1
    assert {row["request_id"] for row in world.rows.values()} == {id_of(0)}


@pytest.mark.parametrize("changed", [named(1), named(3), ["{}", "{}"]], ids=["shorter", "longer", "other"])
def test_a_file_that_changes_meanwhile_is_noticed(changed: list[str], tmp_path: Path) -> None:
    """What was run is then not what the file says: the run does not end as if it were."""
    world = World(tmp_path, *named(2))
    world.at_start = lambda: world.file.write_text("".join(f"{line}\n" for line in changed))
    with pytest.raises(RunStopped, match="changed while it ran"):
        world.run()


def test_refused_lines_and_no_jobs_at_all_end_too(tmp_path: Path) -> None:
    """A file of nothing but faults, and an empty one."""
    tally = World(tmp_path, *['{"prompt": "refuse me"}'] * 3).run()
    assert (tally.completed, tally.failed) == (0, 3)
    (tmp_path / "empty").mkdir()
    assert World(tmp_path / "empty").run() == Tally(0)
