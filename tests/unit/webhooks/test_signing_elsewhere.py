"""Signatures, by the library of those who wrote the specification: it believes us, and we believe it."""

import base64
import json
from datetime import UTC, datetime

import pytest

from quarry.webhooks import verify
from quarry.webhooks.signing import signed, signing_key

#: An environment that is older than `locks/dev.txt` has not got it.
elsewhere = pytest.importorskip("standardwebhooks.webhooks")
BODY = b'{"type":"job.completed","data":{"metadata":{"name":"Gr\\u00fc\\u00dfe"}}}'
SECRETS = ["whsec_" + base64.b64encode(bytes(range(i, i + 32))).decode() for i in (0, 100)]


def test_it_believes_us() -> None:
    """Signed with two secrets, by whoever has one of them; not where the body is another one."""
    now = int(datetime.now(UTC).timestamp())
    headers = signed(BODY, event_id="evt_1_0", at=now, keys=map(signing_key, SECRETS))
    for secret in SECRETS:
        assert elsewhere.Webhook(secret).verify(BODY, headers) == json.loads(BODY)
    with pytest.raises(elsewhere.WebhookVerificationError):
        elsewhere.Webhook(SECRETS[0]).verify(BODY + b" ", headers)


def test_we_believe_it() -> None:
    """What it signed."""
    now = datetime.now(UTC)
    signature = elsewhere.Webhook(SECRETS[0]).sign("evt_1_0", now, BODY.decode())
    headers = {"webhook-id": "evt_1_0", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    assert verify(BODY, headers, SECRETS) == json.loads(BODY)
