"""Who is not known learns nothing but that: each refused credential gets the same bytes, before anything else is looked at."""

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from tests.support.processes import ROOT, quarry
from tests.support.stack import Stack

KEY = f"quarry_{'0' * 16}_{'s' * 43}"
POST = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY = b'Content-Length: 16\r\n\r\n{"prompt": "Hi"}'

#: What comes with a request in the place of a credential.
REFUSED: dict[str, bytes] = {
    "none": b"",
    "empty": b"Authorization:\r\n",
    "a kind alone": b"Authorization: Bearer\r\n",
    "a kind and blanks": b"Authorization: Bearer    \r\n",
    "another kind": b"Authorization: Basic dXNlcjpwYXNz\r\n",
    "no kind": f"Authorization: {KEY}\r\n".encode(),
    "an unknown key": f"Authorization: Bearer {KEY}\r\n".encode(),
    "malformed": b"Authorization: Bearer quarry_\r\n",
    "too short": f"Authorization: Bearer {KEY[:-1]}\r\n".encode(),
    "of another form": b"Authorization: Bearer eyJhbGciOiJub25lIn0.e30.\r\n",
    "with blanks": f"Authorization: Bearer {KEY} {KEY}\r\n".encode(),
    "two of them": f"Authorization: Bearer {KEY}\r\nAuthorization: Bearer {KEY}\r\n".encode(),
    "two in one": f"Authorization: Bearer {KEY}, Bearer {KEY}\r\n".encode(),
    "not ASCII": b"Authorization: Bearer quarry_\xfc\xff\r\n",
    "UTF-8": f"Authorization: Bearer quarry_{'0' * 16}_{'ü' * 43}\r\n".encode(),
    "control characters": b"Authorization: Bearer quarry\x01\x7f_\x1b[31m\r\n",
    "a NUL": b"Authorization: Bearer \0\r\n",
    "continued": b"Authorization: Bearer\r\n quarry\r\n",
    "20 KB": b"Authorization: Bearer " + b"x" * 20_000 + b"\r\n",
    "1 MB": b"Authorization: Bearer " + b"x" * 1_000_000 + b"\r\n",
    "10,000 headers": b"Authorization: x\r\n" * 10_000,
}


@pytest.fixture(scope="module")
def guarded(shared_stack: Stack) -> Iterator[httpx.Client]:
    """An API that asks who is calling."""
    with shared_stack.running_api(QUARRY_ENVIRONMENT="production", QUARRY_API__AUTH="api_key") as api:
        yield api


def answer(api: httpx.Client, request: bytes) -> bytes:
    """To exactly these bytes, as far as the other side takes them: one answer, up to the length that it declares."""
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=10) as connection:
        with suppress(ConnectionError):
            connection.sendall(request)
        got = b""
        while b"\r\n\r\n" not in got:
            got += connection.recv(65_536) or b"\r\n\r\n"
        head, _, body = got.partition(b"\r\n\r\n")
        declared = re.search(rb"content-length: (\d+)", head)
        while declared and len(body) < int(declared[1]):
            body += connection.recv(65_536)
        return head + b"\r\n\r\n" + body


def but_for_the_hour(said: bytes) -> bytes:
    """Without the date, and without `Connection`, which is about the connection, and not about the credential."""
    return re.sub(rb"\r\n(date|connection): [^\r]*", b"", said)


def test_every_refusal_is_the_same(shared_stack: Stack, guarded: httpx.Client) -> None:
    """One answer, byte by byte: a problem `unauthenticated`.

    Red when: `producer/auth/gate.py`: `given[0].partition(" ") if len(given) == 1` -> `given[-1].partition(" ") if given`: two
    are one too many.
    Red when: `producer/web.py`: `too_large=nobody or _answer(` -> `too_large=_answer(`
    Red when: `producer/web.py`: `unreadable=nobody or _answer(` -> `unreadable=_answer(`
    """
    expected = but_for_the_hour(answer(guarded, POST + BODY))
    assert expected.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert b"\r\nwww-authenticate: Bearer\r\n" in expected
    assert b"\r\ncontent-type: application/problem+json\r\n" in expected
    assert b'"code":"unauthenticated"' in expected
    command = quarry("keys", "create", "--tenant", "known")
    made = subprocess.run(command, env=shared_stack.environ(), check=True, capture_output=True, cwd=ROOT)
    valid = b"Authorization: Bearer " + made.stdout.strip() + b"\r\n"
    assert answer(guarded, POST + valid + BODY).startswith(b"HTTP/1.1 202 ")
    spoilt = {"twice": valid * 2, "beside another": valid + REFUSED["another kind"], "behind another": REFUSED["empty"] + valid}
    for name, header in (REFUSED | spoilt).items():
        assert but_for_the_hour(answer(guarded, POST + header + BODY)) == expected, name


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/bulk", "/v1/jobs/lookup", "/v1/jobs/x/cancel"])
def test_who_it_is_comes_before_what_is_asked(guarded: httpx.Client, path: str) -> None:
    """A stranger's request is not looked at: not its query, its type, its body, nor the size of that.

    Red when: `producer/auth/gate.py`: `if self._schemes else ANONYMOUS` -> `if not self._schemes else ANONYMOUS`
    """
    expected = guarded.post(path)
    assert expected.status_code == 401
    for request in (
        guarded.build_request("POST", f"{path}?limit=0&nonsense=1", content=b"{", headers={"content-type": "text/plain"}),
        guarded.build_request("POST", path, content=b"{", headers={"content-type": "application/json"}),
        guarded.build_request("POST", path, json={}, headers={"Idempotency-Key": "k" * 500}),
    ):
        assert guarded.send(request).content == expected.content
    assert guarded.get("/v1/jobs?limit=0").content == guarded.get("/v1/jobs/x?wait_seconds=x").content == expected.content


def test_a_strangers_body_is_not_read(guarded: httpx.Client) -> None:
    """The answer does not wait for it, nor ask for it, and the connection ends instead of taking it in.

    Red when: `producer/connection.py`: `_UNFINISHED: Final = frozenset({h11.IDLE, h11.SEND_BODY, h11.ERROR})` ->
    `_UNFINISHED: Final = frozenset({h11.IDLE, h11.ERROR})`
    """
    for extra in (b"", b"Expect: 100-continue\r\n"):
        head = POST + b"Authorization: Bearer wrong\r\nContent-Length: 20000000\r\n" + extra + b"\r\n"
        with socket.create_connection((guarded.base_url.host, guarded.base_url.port or 80), timeout=15) as connection:
            connection.sendall(head)
            got, ended = b"", False
            with suppress(TimeoutError):
                while piece := connection.recv(65_536):
                    got += piece
                ended = True
        assert ended
        assert got.startswith(b"HTTP/1.1 401 ")
        assert b"\r\nconnection: close\r\n" in got
        assert got.count(b"HTTP/1.1") == 1


def test_without_authentication_a_large_head_is_named(api: httpx.Client) -> None:
    """431 where nobody is asked who they are, at any size above 16 KiB and however it is cut; 400 for what is no HTTP.

    Red when: `producer/connection.py`: `_size_of(event) > self._head_bytes` -> `_size_of(event) > 10 * self._head_bytes`
    """
    for size in (16_400, 20_000, 60_000, 200_000, 1_000_000):
        said = answer(api, b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * size + b"\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 431 "), size
        assert b'"code":"headers_too_large"' in said
    fits = answer(api, b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 16_000 + b"\r\n\r\n")
    assert fits.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nX-Control: a\0b\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=lambda each: repr(each)[:40],
)
def test_what_is_no_http_is_a_problem(api: httpx.Client, request_: bytes) -> None:
    """400 `invalid_http`, and the connection ends.

    Red when: `producer/connection.py`: `def send_400_response(` -> `def send_400(`
    """
    said = answer(api, request_)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"\r\ncontent-type: application/problem+json\r\n" in said
    assert b'"code":"invalid_http"' in said
    assert b"\r\nconnection: close" in said
    assert api.get("/livez").status_code == 200


def test_strangers_write_no_log(shared_stack: Stack, guarded: httpx.Client) -> None:
    """Whatever they send: a flood of it must not fill a disk.

    Red when: `producer/server.py`: `log_level=logging.ERROR,` -> ``
    """
    log = shared_stack.directory / "api.log"
    before = _without_audit(log.read_text())
    for header in REFUSED.values():
        answer(guarded, POST + header + BODY)
    answer(guarded, b"GARBAGE\r\n\r\n")
    assert _without_audit(log.read_text()) == before


def _without_audit(log: str) -> list[str]:
    """Audit records are bounded by themselves: see `test_audit.py`."""
    return [line for line in log.splitlines() if '"audit":1' not in line]
