"""The generated parts of the page on tenants: from the fields that the reader of the file knows."""  # noqa: INP001 - beside a script, no package

from docs.markdown import table
from docs.routes import HEADINGS, rows_of
from quarry.tenants.guard import FORBIDDEN, GUARD, GUARDRAIL
from quarry.tenants.limits import LIMITS
from quarry.tenants.privacy import PRIVACY
from quarry.tenants.webhooks import WEBHOOKS


def fields() -> str:
    """A table for each table of a policy."""
    places = {
        "`[tenants.NAME.limits]`": LIMITS,
        "`[tenants.NAME.guard]`": GUARD,
        "`[[tenants.NAME.guard.forbidden]]`": FORBIDDEN,
        "`[tenants.NAME.guard.guardrails.REGION]`": GUARDRAIL,
        "`[tenants.NAME.privacy]`": PRIVACY,
        "`[tenants.NAME.webhooks]`": WEBHOOKS,
    }
    return "\n".join(f"### {heading}\n\n{table(HEADINGS, rows_of(rows))}" for heading, rows in places.items())
