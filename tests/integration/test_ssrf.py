"""A caller chooses the URL, and a worker inside your network calls it: no URL, no name server and no receiver leads it anywhere
but to the public internet. A listener on loopback, behind every trick, counts who comes.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from producer.admission import Telling, read
from quarry.clock import SystemClock
from quarry.errors import InvalidSubmission
from quarry.inference.routes import Route, Routes
from quarry.invocation import Target
from quarry.job import Expired, Job, advance
from quarry.notification import Notification, NotificationStatus
from quarry.settings import JobSettings
from quarry.tenants.policy import Policy, Tenants
from quarry.tenants.webhooks import Webhooks
from quarry.testing import NOW, a_job
from quarry.webhooks.addresses import Rules, checked
from tests.support.guard import ReachedOutside
from tests.support.receiver import SECRET
from worker.notify.deliver import WebhookTeller
from worker.notify.hosts import Hosts
from worker.notify.post import poster
from worker.notify.secrets import SigningSecrets

ROUTES: Final = Routes([Route.of("default", Target("echo", "", "echo"))])
NAME: Final = "hooks.example.com"

#: URLs that are refused for what they say, when they are submitted and when they are called. {p} is the listener's port.
URLS: Final = (
    # Other schemes, and none.
    "http://127.0.0.1:{p}/", "http://hooks.example.com/", "ftp://hooks.example.com/", "file:///etc/passwd", "gopher://127.0.0.1:{p}/_x",
    "//127.0.0.1:{p}/", "127.0.0.1:{p}", "data:text/plain,x", "unix:///var/run/docker.sock",
    # Loopback, in every form that some library understands.
    "https://127.0.0.1:{p}/", "https://127.1:{p}/", "https://127.0.1:{p}/", "https://2130706433:{p}/", "https://0x7f000001:{p}/",
    "https://0x7f.1:{p}/", "https://0x7f.0x0.0x0.0x1:{p}/", "https://017700000001:{p}/", "https://0177.0.0.1:{p}/",
    "https://127.000.000.001:{p}/", "https://127.0.0.1.:{p}/", "https://0:{p}/", "https://0.0.0.0:{p}/", "https://127.127.127.127:{p}/",
    "https://localhost:{p}/", "https://LOCALHOST:{p}/", "https://localhost.:{p}/", "https://a.localhost:{p}/",
    "https://localhost.localdomain:{p}/", "https://ip6-localhost:{p}/",
    # IPv6, and IPv4 in it.
    "https://[::1]:{p}/", "https://[0:0:0:0:0:0:0:1]:{p}/", "https://[::]:{p}/", "https://[::127.0.0.1]:{p}/",
    "https://[::ffff:127.0.0.1]:{p}/", "https://[::ffff:7f00:1]:{p}/", "https://[64:ff9b::127.0.0.1]:{p}/",
    "https://[64:ff9b:1::7f00:1]:{p}/", "https://[2002:7f00:1::]:{p}/", "https://[2001:0:7f00:1::]:{p}/", "https://[fe80::1]:{p}/",
    "https://[fe80::1%25lo]:{p}/", "https://[::1%lo]:{p}/", "https://[fd00:ec2::254]/", "https://[ff02::1]:{p}/", "https://::1:{p}/",
    "https://[fc00::1]:{p}/", "https://[::ffff:169.254.169.254]/", "https://[v1.127.0.0.1]:{p}/",
    # Metadata, and private networks.
    "https://169.254.169.254/latest/meta-data/", "https://169.254.170.2/v2/credentials", "https://100.100.100.200/",
    "https://168.63.129.16/", "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.0.1/", "https://100.64.0.1/",
    "https://198.18.0.1/", "https://224.0.0.1/", "https://255.255.255.255/", "https://192.0.2.1/", "https://2852039166/",
    "https://0xa9fea9fe/", "https://0251.0376.0251.0376/", "https://metadata.google.internal/", "https://instance-data.ec2.internal/",
    "https://intranet/", "https://printer.local/", "https://db.corp/", "https://router.home.arpa/", "https://metadata/",
    # Users, and what is before or after the host.
    "https://hooks.example.com@127.0.0.1:{p}/", "https://user:pass@hooks.example.com/", "https://127.0.0.1:{p}#@hooks.example.com/",
    "https://127.0.0.1:{p}\\@hooks.example.com/", "https://hooks.example.com\\.127.0.0.1:{p}/", "https:\\\\127.0.0.1:{p}/",
    "https://hooks.example.com:{p}@127.0.0.1/", "https://127.0.0.1:{p}%23@hooks.example.com/", "https:///127.0.0.1:{p}/",
    "https://hooks.example.com/#x", "https://hooks.example.com:/", "https://hooks.example.com:0/", "https://hooks.example.com:99999/",
    # Letters that become others, and what is no letter.
    "https://①②⑦.⓪.⓪.①:{p}/", "https://127。0。0。1:{p}/", "https://\uff11\uff12\uff17.0.0.1:{p}/", "https://ⓛocalhost:{p}/",
    "https://loc\u00adalhost:{p}/", "https://hooks.example.com\u2024/", "https://%31%32%37.0.0.1:{p}/", "https://127.0.0.1%00.com:{p}/",
    "https://127.0.0.1\t:{p}/", " https://127.0.0.1:{p}/", "https://127.0.0.1:{p}/\r\nHost: x", "https://hooks.example.com/\x00",
    "https://hooks.example.com/a b", "https://hooks.example.com.:{p}/", "https://hooks_example.com/", "https://-a.example.com/",
    # Ports of others.
    "https://hooks.example.com:22/", "https://hooks.example.com:6379/", "https://hooks.example.com:80/",
)  # fmt: skip

#: What a name server may answer for a name that looks well: each a refusal, whatever stands beside it.
ANSWERS: Final[tuple[Sequence[str], ...]] = (
    ["127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["::127.0.0.1"], ["0.0.0.0"], ["::"], ["169.254.169.254"], ["169.254.170.2"],  # noqa: S104
    ["fd00:ec2::254"], ["10.0.0.1"], ["172.31.0.1"], ["192.168.1.1"], ["100.64.0.1"], ["fe80::1"], ["fe80::1%lo"], ["fc00::1"],
    ["64:ff9b::7f00:1"], ["2002:7f00:1::"], ["2001:0:7f00:1::"], ["224.0.0.1"], ["ff02::1"], ["255.255.255.255"], ["240.0.0.1"],
    ["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["2600:1f18::1", "::1"], ["8.8.8.8", "2600:1f18::1", "10.0.0.1"],
    [], ["no address"], ["127.1"], ["2130706433"],
)  # fmt: skip


@dataclass
class Net:
    """A listener on loopback that counts who comes, and a name server that answers by script: the last answer stands."""

    port: int = 0
    came: int = 0
    heard: bytes = b""
    answers: list[Sequence[str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    reply: bytes = b"HTTP/1.1 204 No Content\r\n\r\n"

    async def look_up(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return list(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0] if self.answers else ["127.0.0.1"])

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        self.heard = await reader.read(2000)
        writer.write(self.reply)
        writer.close()


@asynccontextmanager
async def listening(host: str = "127.0.0.1", trust: ssl.SSLContext | None = None) -> AsyncIterator[Net]:
    net = Net()
    server = await asyncio.start_server(net.take, host, 0, ssl=trust)
    net.port = server.sockets[0].getsockname()[1]
    try:
        yield net
    finally:
        server.close()


async def key(name: str) -> SecretStr:
    return SecretStr(SECRET)


@asynccontextmanager
async def telling(net: Net, *, loopback: bool = False, trust: ssl.SSLContext | bool = True) -> AsyncIterator[WebhookTeller]:
    """What a worker tells with; the tenant may name the listener's port."""
    policy = Policy(webhooks=Webhooks(secret_env=("KEY",), ports=(net.port,)))
    async with AsyncExitStack() as stack:
        opening = poster(net.look_up, Rules(loopback=loopback), connections=10, timeout_seconds=20, trust=trust)
        post, clock = await stack.enter_async_context(opening), SystemClock()
        secrets = SigningSecrets(key, key, clock)
        yield WebhookTeller(post, Hosts(100), Tenants(policy), secrets, clock, lambda: 0.5, loopback=loopback)


def ended(url: str) -> Job:
    """A job that owes a notification there."""
    return advance(a_job(webhook_url=url), Expired(), NOW)


async def told(teller: WebhookTeller, url: str) -> Notification:
    job = ended(url)
    assert job.webhook
    after = await teller.tell(job, job.webhook)
    assert isinstance(after, Notification)
    return after


async def test_no_url_leads_inside() -> None:
    """Over a hundred of them, the name server answering with loopback to whoever asks: each is refused when it is submitted, and
    again when it is called; none reaches the listener, and of none a name is looked up.

    Red when: `quarry/webhooks/addresses.py`: `if not here:` -> `if False:`
    """
    assert len(URLS) >= 40
    async with listening() as net, telling(net) as teller:
        policy = Policy(webhooks=Webhooks(secret_env=("KEY",), ports=(net.port,)))
        for url in (each.format(p=net.port) for each in URLS):
            with pytest.raises(InvalidSubmission) as refused:
                read({"prompt": "Hi", "webhook_url": url}, JobSettings(), ROUTES, policy, Telling(webhooks=True))
            assert [fault.path for fault in refused.value.faults] == ["webhook_url"], url
            after = await told(teller, url)
            assert (after.status, after.attempts[0].error) == (NotificationStatus.FAILED, "address_refused"), url
    assert (net.came, net.asked) == (0, [])


async def test_no_answer_of_a_name_server_leads_inside() -> None:
    """One address that may not be called refuses the name. Whether a name is there is not told either.

    Red when: `quarry/webhooks/addresses.py`: `"127.0.0.0/8",  # loopback` -> `"127.0.0.0/32",`
    """
    for answer in ANSWERS:
        async with listening() as net, telling(net) as teller:
            net.answers = [answer]
            after = await told(teller, f"https://{NAME}:{net.port}/")
            assert (after.status, after.attempts[0].error) == (NotificationStatus.PENDING, "address_refused"), answer
            assert (net.came, net.asked) == (0, [NAME]), answer


async def test_a_name_that_changes_its_answer() -> None:
    """Rebinding: the first answer is well, all later ones lead inside. A name is looked up once for each try, and what was checked
    is what is called: the test's own guard reports a connection to exactly that address.

    Red when: `worker/notify/gate.py`: `return permits(ipaddress.ip_address(address))` -> `return True`
    """
    async with listening() as net, telling(net) as teller:
        net.answers = [["93.184.215.14"], ["127.0.0.1"]]
        with pytest.raises(ReachedOutside, match="is not loopback"):
            await told(teller, f"https://{NAME}:{net.port}/")
        assert (net.came, len(net.asked)) == (0, 1)
        after = await told(teller, f"https://{NAME}:{net.port}/")
        assert after.attempts[0].error == "address_refused"
        assert (net.came, len(net.asked)) == (0, 2)


async def test_a_redirect_is_not_followed() -> None:
    """Wherever it leads: it counts as a failed try.

    Red when: `worker/notify/post.py`: `allow_redirects=False` -> `allow_redirects=True`
    """
    async with listening() as inside, listening() as net, telling(net, loopback=True) as teller:
        for status in (301, 302, 303, 307, 308):
            net.reply = f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{inside.port}/\r\n\r\n".encode()
            after = await told(teller, f"http://127.0.0.1:{net.port}/")
            assert (after.status, after.attempts[0].status_code) == (NotificationStatus.PENDING, status)
    assert (net.came, inside.came) == (5, 0)


async def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's would resolve names by itself.

    Red when: `worker/notify/post.py`: `trust_env=False` -> `trust_env=True`
    """
    async with listening() as proxy, listening() as net, telling(net, loopback=True) as teller:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await told(teller, f"http://127.0.0.1:{net.port}/")).status is NotificationStatus.DELIVERED
    assert (net.came, proxy.came) == (1, 0)


async def test_the_listener_is_reached_where_that_is_allowed() -> None:
    """The control of all above: the same listener, by address and by a name that leads there, where loopback is allowed.

    Red when: `quarry/webhooks/addresses.py`:
    `return is_public(ip) or (rules.loopback and _is_loopback(ip))` -> `return is_public(ip)`
    """
    async with listening() as net, telling(net, loopback=True) as teller:
        for host in ("127.0.0.1", "localhost"):
            after = await told(teller, f"http://{host}:{net.port}/x?y=1")
            assert after.status is NotificationStatus.DELIVERED
        assert net.heard.startswith(b"POST /x?y=1 HTTP/1.1\r\nHost: localhost:")
        assert net.came == 2


def certificate(name: str, path: Path) -> ssl.SSLContext:
    """A server's context, with a certificate for `name` that is written to `path`."""
    private, who = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(private.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )  # fmt: skip
    secret = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize(("name", "status"), [(NAME, "delivered"), ("other.example.com", "pending")])
async def test_who_answers_must_be_who_was_named(name: str, status: str, tmp_path: Path) -> None:
    """By TLS, where the connection goes to the checked address: it asks for the name, and takes no certificate of another.

    Red when: `worker/notify/post.py`: `ssl=trust` -> `ssl=False`
    """
    trust, asked = certificate(name, tmp_path / "server.pem"), list[Any]()
    trust.sni_callback = lambda _, server_name, __: asked.append(server_name)
    believed = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
    async with listening(trust=trust) as net:
        rules = Rules(ports=(net.port,), loopback=True)
        async with telling(net, loopback=True, trust=believed) as teller:
            assert checked(f"https://{NAME}:{net.port}/", rules).host == NAME
            after = await told(teller, f"https://{NAME}:{net.port}/")
    assert (after.status.value, asked) == (status, [NAME])
    assert after.attempts[0].error == (None if status == "delivered" else "not_connected")


async def test_a_receiver_that_says_too_much() -> None:
    """An endless body is not read; a header without an end, or what is no HTTP, is a failed try.

    Red when: `worker/notify/post.py`: `max_field_size=_HEADER_MAX_BYTES` -> `max_field_size=10**9`
    """
    async with listening() as net, telling(net, loopback=True) as teller:
        for reply, error in (
            (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100_000, None),
            (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "broken_off"),
            (b"nonsense\r\n\r\n", "broken_off"),
        ):
            net.reply = reply
            assert (await told(teller, f"http://127.0.0.1:{net.port}/")).attempts[0].error == error
