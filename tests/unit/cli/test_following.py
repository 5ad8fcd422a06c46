"""Following a job from the command line: what the client does with streams that end, and what is printed."""

import json

import httpx
import pytest

import quarry.client
from producer import following
from quarry.cli.following import follow
from quarry.errors import ApiRefused, ApiUnreachable
from quarry.event_stream import events_in
from tests.unit.cli.test_client import ID, Time, client

DONE = {"status": "completed", "result": {"text": "It is so.\n世界"}, "error": None}


def event(name: str, number: int, **data: object) -> str:
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def said(*texts: str) -> str:
    return "".join(event("text", i, text=text) for i, text in enumerate(texts, start=1))


class Api:
    """Answers each request for events with the next stream; remembers after which event it was asked to go on."""

    def __init__(self, *streams: str | httpx.Response | Exception) -> None:
        self.streams, self.asked = list(streams), list[str | None]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == f"/v1/jobs/{ID}/events"
        self.asked.append(request.headers.get("Last-Event-ID"))
        stream = self.streams.pop(0)
        if isinstance(stream, Exception):
            raise stream
        if isinstance(stream, httpx.Response):
            return stream
        return httpx.Response(200, headers={"Content-Type": "text/event-stream; charset=utf-8"}, content=stream.encode())


def test_a_stream_that_ends_early_is_gone_on_with() -> None:
    """After its last event, whatever ended it, until the job is over: a deploy is borne with."""
    api = Api(
        "retry: 1000\n\n:\n\n" + said("It ", "is "),
        httpx.ConnectError("refused"),
        httpx.Response(503, json={"code": "unavailable", "detail": "later", "title": "Later"}),
        event("text", 3, text="so") + "id: 4\nevent: text\ndata: {",
        event("text", 4, text=".") + event("done", 5, **DONE),
    )
    told = list(client(api).follow(ID))
    assert "".join(each.data["text"] for each in told if each.name == "text") == "It is so."
    assert (told[-1].name, told[-1].data) == ("done", DONE)
    assert api.asked == [None, "2", "2", "2", "3"]


def test_an_api_that_stays_away_is_given_up() -> None:
    """After half a minute without a word; a job that does not exist at once."""
    time = Time()
    with pytest.raises(ApiUnreachable):
        list(client(Api(said("It"), *[httpx.ConnectError("refused")] * 100), time).follow(ID))
    assert 30 <= time.now < 35
    with pytest.raises(ApiRefused, match="no such job"):
        list(client(Api(httpx.Response(404, json={"code": "job_not_found", "detail": "no such job"}))).follow(ID))


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, json={"status": "queued"}), httpx.Response(200, text="<html>"), "event: text\ndata: <\n\n"]
)
def test_what_is_not_our_api_is_said_to_be_none(answer: httpx.Response | str) -> None:
    """Another program's page, say."""
    with pytest.raises(ApiUnreachable, match="is not Quarry's API"):
        list(client(Api(*[answer] * 100)).follow(ID))


def printed(capsys: pytest.CaptureFixture[str], *streams: str, as_json: bool = False) -> tuple[str, str]:
    job = follow(client(Api(*streams)), ID, as_json=as_json)
    assert job["status"] == "completed"
    told = capsys.readouterr()
    return told.out, told.err


def test_text_is_printed_as_it_comes_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a job that is not streamed, when it is there."""
    done = event("done", 9, **DONE)
    assert printed(capsys, said("It is ", "so.\n世界") + done) == ("It is so.\n世界\n", "")
    assert printed(capsys, event("status", 1, status="queued") + done) == ("It is so.\n世界\n", "")


def test_a_text_that_begins_anew_is_told_from_the_void_one(capsys: pytest.CaptureFixture[str]) -> None:
    """On a line of its own, and why is said beside it."""
    out, err = printed(capsys, said("void") + event("restart", 2) + said("It is ") + event("done", 9, **DONE))
    assert out == "void\nIt is so.\n世界\n"
    assert "void" in err


def test_events_are_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """For programs."""
    out, _ = printed(capsys, said("It is ") + event("done", 9, **DONE), as_json=True)
    assert [json.loads(line) for line in out.splitlines()] == [
        {"event": "text", "id": "1", "data": {"text": "It is "}},
        {"event": "done", "id": "9", "data": DONE},
    ]


def test_the_end_of_a_very_large_answer_is_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    """What came of it is not printed again."""
    done = DONE | {"result": {"url": "https://objects.example/r", "url_expires_at": "", "size_bytes": 1}}
    api = Api(said("It is ") + event("done", 9, **done))

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=DONE["result"]) if request.url.host == "objects.example" else api(request)

    follow(client(answer), ID, as_json=False)
    assert capsys.readouterr().out == "It is so.\n世界\n"


def test_an_answer_that_is_lost_is_said_to_be() -> None:
    """The end of the stream has none then; the job itself says why."""
    events = Api(event("done", 9, **DONE | {"result": None}))

    def answer(request: httpx.Request) -> httpx.Response:
        lost = {"code": "payload_lost", "detail": "The answer is gone.", "title": "Gone"}
        return events(request) if request.url.path.endswith("/events") else httpx.Response(500, json=lost)

    with pytest.raises(ApiRefused, match="is gone"):
        follow(client(answer), ID, as_json=False)


def test_lines_are_read_as_they_may_be_written() -> None:
    """With and without a space, comments between them; what has no event is none."""
    lines = ["retry: 1", "", ":", "", "event:a", "id: 1", ": so", 'data: {"b": 1}', "", "data: 2", ""]
    assert [(each.name, each.id, each.data) for each in events_in(lines)] == [("a", "1", {"b": 1})]


def test_the_client_waits_longer_than_the_api_is_silent() -> None:
    """Or it would give up streams that are well."""
    assert following._KEEP_ALIVE_SECONDS * 2 < quarry.client._SILENCE_SECONDS  # noqa: SLF001
