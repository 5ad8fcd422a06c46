"""A whole stack that talks as much as it can, and everything that it said: to its logs, metrics, traces and audit log, to callers,
and to those whom it tells of jobs' ends.
"""

import base64
import re
import secrets
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.support.canaries import Canaries, Said
from tests.support.collector import Collector, collecting
from tests.support.ends import Ends, listening
from tests.support.issuer import AUDIENCE, TestIssuer, a_key
from tests.support.keys import created, secret_of, with_key
from tests.support.processes import ROOT, Process, eventually, fetched, free_port, quarry
from tests.support.proxy import leading_to
from tests.support.quoting import QuotingProxy
from tests.support.receiver import Receiver, receiving
from tests.support.routing import REGIONS, target
from tests.support.simulator import Simulator, simulating
from tests.support.stack import Stack

#: What a caller said of a job, or a model answered: its owner is shown it, by answers that are no refusals.
SHOWN: Final = frozenset({"metadata key", "metadata value", "custom id", "answer", "provider's words", "webhook"})
#: By these a caller, and the operator, know a job again of whose end they are told.
KNOWN_BY: Final = frozenset({"metadata key", "metadata value", "custom id"})
#: A name that a caller made up stands in the path of its fault, as they wrote it; and so does an id that they looked up.
NAMED: Final = frozenset({"field name", "name in a query", "id of no job"})
#: What is buried as it came, so that somebody can look at it.
BURIED: Final = frozenset({"poison"})

TENANT: Final = "acme"
#: A policy by which that tenant's webhooks are signed.
HOOKS: Final = f'[tenants.{TENANT}.webhooks]\nsecret_env = ["HOOKS"]\n'
#: Each has a route and a model of its own, so that none is spared or left alone for what another one does.
_MODEL: Final = "amazon.{}-v1:0"
_LOUD: Final = {
    "QUARRY_LOG_LEVEL": "debug",
    "QUARRY_TRACING__ENABLED": "true",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "QUARRY_EMF__NAMESPACE": "Quarry",
    "QUARRY_EMF__SECONDS": "1",
}


def model_of(route: str) -> str:
    """The model that a route of its own asks."""
    return _MODEL.format(route)


@dataclass
class Loud:
    """The stack, and what it said so far to callers."""

    stack: Stack
    simulator: Simulator
    collector: Collector
    issuer: TestIssuer
    aws: dict[str, QuotingProxy]
    canaries: Canaries
    key: str
    reader: str
    metrics_ports: dict[str, int]
    receiver: Receiver
    ends: Ends
    answers: list[Said] = field(default_factory=list)

    def heard(self, answer: httpx.Response) -> None:
        """Keep an answer, with its head. What is no refusal may show its caller what is theirs."""
        answer.read()
        head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        rightful = SHOWN | NAMED if answer.is_success else NAMED if answer.status_code == 422 else frozenset()
        where = f"the answer {answer.status_code} to {answer.request.method}"
        self.answers.append(Said(where, f"{head}\n{answer.text}".encode(), rightful))

    def raw(self, port: int, request: bytes) -> None:
        """Send bytes to a port of loopback, and keep what comes back."""
        answer = b""
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection, suppress(OSError):
            connection.sendall(request)
            # Who hears first that no more will come may not answer at all.
            answer += connection.recv(65_536)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                answer += piece
        self.answers.append(Said("the answer to bytes", answer))

    @contextmanager
    def half_sent(self, port: int, request: bytes) -> Iterator[None]:
        """A request that has only begun, for the length of the block."""
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(request)
            yield

    def as_tenant(self, name: str) -> dict[str, str]:
        """A credential of another tenant."""
        token = self.issuer.token(self.issuer.claims(tenant=name))
        return {"Authorization": f"Bearer {self.canaries.add(f'token of {name}', token)}"}

    def typed(self, *arguments: str, **env: str) -> "subprocess.Popen[bytes]":
        """A command, begun; what it prints is kept by `ended`."""
        return subprocess.Popen(
            quarry(*arguments), env=self.stack.environ(**env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
        )

    def ended(self, command: "subprocess.Popen[bytes]", where: str, rightful: frozenset[str] = frozenset()) -> int:
        """Wait for it; returns its exit code."""
        out, err = command.communicate(timeout=120)
        self.answers.append(Said(f"{where}, stdout and stderr", out + err, rightful))
        return command.returncode

    def everything(self) -> list[Said]:
        """All that was said, wherever."""
        dead = self.stack.dead_letters()
        told = [{name: value for name, value in each.items() if name != "Body"} for each in dead]
        return [
            *self.answers,
            *(Said(path.name, path.read_bytes()) for path in sorted(self.stack.directory.rglob("*.log*"))),
            Said("the audit log", (self.stack.directory / "audit.jsonl").read_bytes()),
            Said("spans", bytes(self.collector.raw)),
            Said("dead letters", repr(told).encode()),
            *(Said("bodies of dead letters", each["Body"].encode(), BURIED) for each in dead),
        ]

    def told(self) -> None:
        """Wait until receiver and operator have heard of answered jobs and of failed ones; keep what they heard."""
        heard: dict[str, list[str]] = {"a webhook": [], "the topic": [], "the bus": []}

        def all_told() -> bool:
            heard["a webhook"] = [f"{each.headers}\n{each.body.decode()}" for each in self.receiver.received]
            heard["the topic"] += self.ends.of_topic()
            heard["the bus"] += self.ends.of_bus()
            return all(each in "".join(bodies) for bodies in heard.values() for each in ("job.completed", "job.failed"))

        eventually(all_told)
        self.answers += [Said(where, each.encode(), KNOWN_BY) for where, bodies in heard.items() for each in bodies]

    def measure(self) -> None:
        """Keep what the ports of metrics say now."""
        for service, port in self.metrics_ports.items():
            for path in ("metrics", "readyz", "livez"):
                answer = fetched(f"http://127.0.0.1:{port}/{path}")
                self.answers.append(Said(f"/{path} of the {service}", answer.content))

    def change(self, request_id: str, update: str, values: Mapping[str, Any]) -> None:
        """Write into a job's record, as nobody should."""
        names = {f"#{name}": name for name in re.findall(r"#(\w+)", update)}
        self.stack.client("dynamodb").update_item(
            TableName=self.stack.name,
            Key={"pk": {"S": f"{TENANT}#{request_id}"}, "sk": {"S": "job"}},
            UpdateExpression=update,
            ExpressionAttributeValues=dict(values),
            **({"ExpressionAttributeNames": names} if names else {}),
        )

    @contextmanager
    def api(self, **env: str) -> Iterator[httpx.Client]:
        """The API, whose every answer is kept; callers have a good key and canaries in all their headers."""
        with self.stack.running_api(QUARRY_API__METRICS_PORT=str(self.metrics_ports["producer"]), **env) as api:
            api.event_hooks["response"] = [self.heard]
            api.headers.update(with_key(self.key) | {name: self.canaries[f"header {name}"] for name in _HEADERS})
            yield api

    @contextmanager
    def worker(self, **env: str) -> Iterator[Process]:
        """A worker."""
        with self.stack.running_worker(**env) as worker:
            self.metrics_ports["worker"] = int(self.stack.probes(worker).rpartition(":")[2])
            yield worker


#: What callers and what is in front of them send along, or may.
_HEADERS: Final = (
    "User-Agent", "Referer", "Cookie", "X-Forwarded-For", "X-Forwarded-Host", "X-Request-Id", "X-Api-Key", "Proxy-Authorization",
    "X-Amz-Security-Token", "Tracestate", "Baggage", "X-Anything",
)  # fmt: skip


def routes(names: Mapping[str, str], simulator_url: str) -> str:
    """A routes.toml with the default route, two of chat completions, and one for each name, whose further settings are given. Of
    `late`, another region would answer where the first one does not; that of `ceiling` is asked once a minute.
    """
    declared = target(model=model_of("default"))
    for name, settings in names.items():
        bound = "requests_per_minute = 1\n" if name == "ceiling" else ""
        declared += f"\n[routes.{name}]\n{settings}\n" + target(model=model_of(name), route=name) + bound
    declared += target(REGIONS[1], model=model_of("late"), route="late")
    declared += target("", provider="gateway", model="gpt-oss-120b", route="chat")
    declared += target("", provider="gateway", model="gpt-oss-20b", route="judged")
    return f"""{declared}
[providers.gateway]
kind = "openai"
base_url = "{simulator_url}/v1"
api_key_env = "GATEWAY_KEY"
"""


@contextmanager
def loud(stack: Stack) -> Iterator[Loud]:
    """What is around API and worker, and the settings with which they say as much as they can."""
    canaries = Canaries()
    with ExitStack() as entered:
        simulator = entered.enter_context(simulating(stack.directory))
        collector = entered.enter_context(collecting())
        issuer = entered.enter_context(TestIssuer(a_key("RS256")).serving())
        issuer.fault = 500
        # Its first answers are refusals; all of them say more than they should.
        receiver = entered.enter_context(receiving([500, 400]))
        receiver.headers, receiver.text = {"X-Said": canaries["receiver's header"]}, canaries["receiver's words"]
        proxies = {name: entered.enter_context(QuotingProxy(name, stack.aws_url)) for name in ("dynamodb", "sqs", "s3")}
        stack.use(simulator)
        ends = listening(stack)
        stack.env |= _LOUD | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={canaries['key of the collector']}",
            "AWS_SECRET_ACCESS_KEY": canaries["secret of AWS"],
            "AWS_SESSION_TOKEN": canaries["session of AWS"],
            "GATEWAY_KEY": canaries["key of a provider"],
            "HOOKS": canaries.add("secret of webhooks", f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"),
            "QUARRY_WEBHOOKS__ALLOW_LOOPBACK": "true",
            "QUARRY_AUDIT__FILE": str(stack.directory / "audit.jsonl"),
        }
        key, reader = created(stack, "--tenant", TENANT), created(stack, "--tenant", TENANT, "--scope", "reader")
        canaries.add("key", secret_of(key))
        canaries.add("key of a reader", secret_of(reader))
        stack.env |= leading_to(*proxies.values()) | {
            "QUARRY_API__AUTH": "api_key,jwt",
            "QUARRY_JWT__ISSUER": issuer.url,
            "QUARRY_JWT__AUDIENCE": AUDIENCE,
        }
        ports = {"producer": free_port()}
        yield Loud(stack, simulator, collector, issuer, proxies, canaries, key, reader, ports, receiver, ends)
