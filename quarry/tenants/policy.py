"""What holds for one tenant, and where to look it up. A subject of its own is a module beside this one, and a member here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from quarry.tenants.guard import Guard
from quarry.tenants.limits import Limits
from quarry.tenants.privacy import Privacy
from quarry.tenants.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for the jobs of one tenant."""

    limits: Limits = field(default_factory=Limits)
    guard: Guard = field(default_factory=Guard)
    privacy: Privacy = field(default_factory=Privacy)
    webhooks: Webhooks = field(default_factory=Webhooks)


#: What holds where nothing is said.
PLAIN: Final = Policy()


class Tenants:
    """The policies of this process. A `Policy` that was handed out never changes; what is handed out next may."""

    def __init__(self, default: Policy = PLAIN, named: Mapping[str, Policy] | None = None) -> None:
        """`default` is for tenants of whom nothing is said."""
        self.default = default
        self.named = dict(named or {})

    def of(self, tenant: str) -> Policy:
        """What holds for a tenant."""
        return self.named.get(tenant, self.default)

    @property
    def any_queue_is_limited(self) -> bool:
        """Whether anybody's jobs under way are limited, so that somebody has to count them."""
        return any(policy.limits.queued_jobs for policy in (self.default, *self.named.values()))

    @property
    def guardrail_regions(self) -> frozenset[str]:
        """Every region in which somebody has a guardrail."""
        return frozenset(region for each in (self.default, *self.named.values()) for region in each.guard.guardrails)

    def become(self, other: "Tenants") -> None:
        """Say from now on what `other` says."""
        self.default, self.named = other.default, other.named
