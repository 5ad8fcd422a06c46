"""Signatures: as the specification has them, and what is not believed."""

import base64
import math
from typing import Any

import pytest

from quarry.webhooks import InvalidWebhook, verify
from quarry.webhooks.signing import signed, signing_key

#: Source: the tests of the specification's own libraries (github.com/standard-webhooks/standard-webhooks, November 2026).
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - published
ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "whsec_" + base64.b64encode(b"another secret of 24 byte").decode()


def headers(*secrets: str, body: bytes = BODY, at: int = AT) -> dict[str, str]:
    return signed(body, event_id=ID, at=at, keys=[signing_key(each) for each in secrets])


def test_the_published_vector() -> None:
    """The specification's example is signed as its libraries sign it, and believed."""
    assert headers(SECRET)["webhook-signature"] == SIGNATURE
    assert verify(BODY, headers(SECRET), [SECRET], now=AT) == {"test": 2432232314}


def test_a_receiver_may_know_two_secrets() -> None:
    """While it rotates: what is signed with either is believed. Names of headers are in any case."""
    shouted = {name.upper(): value for name, value in headers(OTHER).items()}
    assert verify(BODY, shouted, [SECRET, OTHER], now=AT)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"webhook-id": None}, "there is no webhook-id"),
        ({"webhook-timestamp": None}, "there is no webhook-timestamp"),
        ({"webhook-signature": ""}, "there is no webhook-signature"),
        ({"webhook-id": "other"}, "no signature"),
        ({"webhook-timestamp": str(AT + 1)}, "no signature"),
        ({"webhook-timestamp": f"{AT}.0"}, "no time in whole seconds"),
        ({"webhook-timestamp": "٣"}, "no time in whole seconds"),
        ({"webhook-timestamp": "-1"}, "no time in whole seconds"),
        ({"webhook-timestamp": "9" * 5000}, "no time in whole seconds"),
        ({"webhook-signature": "v1,"}, "no signature"),
        ({"webhook-signature": "v1,not base64"}, "no signature"),
        ({"webhook-signature": "v2" + SIGNATURE[2:]}, "no signature"),
        ({"webhook-signature": SIGNATURE.lower()}, "no signature"),
        ({"webhook-signature": "v1,é"}, "no signature"),
    ],
)
def test_what_is_not_believed(changes: dict[str, str | None], why: str) -> None:
    """A part that is missing or changed. What is wrong is said, without the secret."""
    given = {name: value for name, value in (headers(SECRET) | changes).items() if value is not None}
    with pytest.raises(InvalidWebhook, match=why) as refused:
        verify(BODY, given, [SECRET], now=AT)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", ["\udcff", "msg\ud800", b"v1,AAAA", ["v1,AAAA"], ("a", "b"), 1614265330, {"a": 1}])
def test_a_header_that_is_no_text(name: str, value: Any) -> None:
    """Frameworks differ in what they hand on: bytes, lists, halves of letters. A stranger chooses it: it is refused, no fault."""
    with pytest.raises(InvalidWebhook, match=f"^{name} is no text"):
        verify(BODY, headers(SECRET) | {name: value}, [SECRET], now=AT)


@pytest.mark.parametrize("name", [b"webhook-id", 1, None])
def test_a_name_of_a_header_that_is_no_text(name: Any) -> None:
    """It is none of ours."""
    assert verify(BODY, {**headers(SECRET), name: "x"}, [SECRET], now=AT)
    with pytest.raises(InvalidWebhook, match="there is no webhook-id"):
        verify(BODY, {name: "x"}, [SECRET], now=AT)


@pytest.mark.parametrize(("now", "tolerance"), [(AT, math.nan), (AT + 10**9, math.nan), (math.nan, 300), (math.inf, 300), (AT, -1)])
def test_no_number_lets_nothing_through(now: float, tolerance: float) -> None:
    """A bound that cannot be compared is reached."""
    with pytest.raises(InvalidWebhook, match="webhook-timestamp"):
        verify(BODY, headers(SECRET), [SECRET], tolerance, now=now)


@pytest.mark.parametrize("now", [AT - 301, AT + 301])
def test_an_old_one_is_not_believed(now: int) -> None:
    """Nor one of the future: somebody recorded it, or a clock is wrong."""
    assert verify(BODY, headers(SECRET), [SECRET], now=now, tolerance_seconds=302)
    with pytest.raises(InvalidWebhook, match="300 s away"):
        verify(BODY, headers(SECRET), [SECRET], now=now)


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b"null", b"[" * 100_000])
def test_a_body_that_is_no_event(body: bytes) -> None:
    """Even a signed one."""
    with pytest.raises(InvalidWebhook, match="not"):
        verify(body, headers(SECRET, body=body), [SECRET], now=AT)


@pytest.mark.parametrize(
    "secrets", [[], ["whsec_"], ["whsec_AAAA"], [SECRET.removeprefix("whsec_")], ["whsec_" + "A" * 200], ["whsec_?"]]
)
def test_what_is_no_secret(secrets: list[Any]) -> None:
    """A receiver that is given none believes nothing, loudly; the secret is not quoted."""
    with pytest.raises(ValueError, match="secret") as refused:
        verify(BODY, headers(SECRET), secrets, now=AT)
    assert not any(each in str(refused.value) for each in secrets if len(each) > 10)
