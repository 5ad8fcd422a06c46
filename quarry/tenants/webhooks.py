"""How a tenant is told of its jobs' ends: `webhooks` in `tenants.toml`. A new field is a row, and a member of the dataclass."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from quarry.job import TERMINAL
from quarry.toml_fields import FLAG, TEXT, Field, checked, list_of, one_of, whole
from quarry.webhooks.addresses import Rules, host_pattern

#: What can be told of: how a job can end.
EVENTS: Final = tuple(sorted(status.value for status in TERMINAL))


@dataclass(frozen=True, slots=True)
class Webhooks:
    """A tenant's webhooks."""

    secret_env: tuple[str, ...] = ()
    secret_arn: tuple[str, ...] = ()
    #: None: every public host.
    allowed_hosts: tuple[str, ...] | None = None
    #: Beside 443.
    ports: tuple[int, ...] = ()
    events: tuple[str, ...] = EVENTS
    include_result: bool = False

    @property
    def are_signed(self) -> bool:
        """Whether there is something to sign them with; without, none is sent."""
        return bool(self.secret_env or self.secret_arn)

    def rules(self, *, loopback: bool) -> Rules:
        """Where its webhooks may lead."""
        return Rules(self.ports, self.allowed_hosts, loopback)


WEBHOOKS: Final[Mapping[str, Field]] = {
    "secret_env": Field(
        list_of(TEXT, "list of variables"),
        "Variables of the worker that hold its signing secrets (`whsec_...`; one may hold several, separated by spaces). Each "
        "delivery is signed with all of them: while you rotate, the old one and the new one. The secret itself never stands here.",
    ),
    "secret_arn": Field(
        list_of(TEXT, "list of names or ARNs"),
        "The same, in secrets of AWS Secrets Manager: read again within five minutes. The worker needs "
        "`secretsmanager:GetSecretValue` on them.",
    ),
    "allowed_hosts": Field(
        list_of(checked(TEXT, host_pattern), 'list of hosts, such as "hooks.example.com" and "*.example.com"'),
        "Where its webhooks may lead. Without it, to every host of the public internet; with an empty list, nowhere.",
    ),
    "ports": Field(list_of(whole(1, 65_535), "list of ports"), "Ports that are allowed beside 443."),
    "events": Field(
        list_of(one_of(*EVENTS), "list of events"),
        f"Which ends it wants to be told of: {', '.join(f'`{each}`' for each in EVENTS)}. Without it, of all.",
    ),
    "include_result": Field(
        FLAG, "Whether the answer is told too, where all that is told stays below 20,000 bytes. Without it, no content is."
    ),
}
