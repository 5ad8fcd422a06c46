"""The queue message: what goes out comes back, and nothing else gets in."""

import json
from typing import Any

import pytest

from quarry.envelope import TENANT_MAX_LENGTH, VERSION, Envelope, from_wire
from quarry.errors import MalformedEnvelope, UnsupportedEnvelope
from quarry.testing import an_envelope

#: The same in every process, so that the names of cases are.
REQUEST_ID = "01a1fdfa46007bb69d13df5218362e2d"


def wire(**changes: Any) -> str:
    """A good body, but for the changes; a field changed to `...` is left out."""
    fields = json.loads(an_envelope(request_id=REQUEST_ID).to_wire()) | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...})


@pytest.mark.parametrize(
    "envelope",
    [
        an_envelope(),
        an_envelope(generation=12, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        an_envelope(tenant="Müller & Söhne 🚀"),
        an_envelope(tenant="t" * TENANT_MAX_LENGTH),
    ],
)
def test_an_envelope_comes_back_as_it_was(envelope: Envelope) -> None:
    """Through the wire, which is ASCII: SQS refuses some Unicode characters."""
    body = envelope.to_wire()
    assert from_wire(body) == envelope
    assert body.isascii()


def test_the_wire_is_what_workers_of_other_versions_read() -> None:
    """Field names and version are a contract between deployments."""
    envelope = an_envelope(generation=2)
    fields = {"v": 1, "request_id": envelope.request_id, "tenant": "default", "generation": 2, "traceparent": None}
    assert json.loads(envelope.to_wire()) == fields


def test_what_may_be_left_out() -> None:
    """Generation and trace have defaults."""
    envelope = from_wire(wire(generation=..., traceparent=...))
    assert (envelope.generation, envelope.traceparent) == (0, None)


def test_the_next_version_is_read() -> None:
    """Its additions are ignored: workers are deployed before producers, and rolled back after them."""
    assert from_wire(wire(v=VERSION + 1, lane="high")).tenant == "default"


@pytest.mark.parametrize("version", [VERSION + 2, 1000])
def test_a_version_further_ahead_is_left_to_newer_workers(version: int) -> None:
    """It is no malformed message, whatever else is in it."""
    with pytest.raises(UnsupportedEnvelope, match=str(version)):
        from_wire(wire(v=version, request_id=...))


#: For each field, what it cannot be; `...` stands for leaving it out.
FAULTS: dict[str, tuple[Any, ...]] = {
    "v": (..., None, 0, -1, True, 1.0, "1", [1], {}),
    "request_id": (..., None, "", 1, ["a"], "no-id", "0" * 32, "A" * 32, REQUEST_ID + "\n"),
    "tenant": (..., None, "", 1, True, [], "t" * (TENANT_MAX_LENGTH + 1)),
    "generation": (None, -1, True, 0.0, "0", []),
    "traceparent": (1, True, [], {}),
}


@pytest.mark.parametrize(
    "body",
    [
        *("", " ", "not json", "{", "[]", "[{}]", '"text"', "1", "null", "true", "NaN", "{}", "\x00", "\ufeff{}"),
        *("[" * 100_000, '{"v":' * 100_000, "[" * 100_000 + "]" * 100_000),
        *(wire(**{name: value}) for name, values in FAULTS.items() for value in values),
    ],
    ids=lambda body: body[:70],
)
def test_what_is_no_envelope_is_malformed(body: str) -> None:
    """Never any other error, and the message does not quote the body, which may hold a prompt."""
    with pytest.raises(MalformedEnvelope) as refused:
        from_wire(body)
    assert str(refused.value).startswith(("the body is", "the field `"))
