"""Settings of the queues, `QUARRY_QUEUE__…`."""

from pydantic import Field

from quarry.job import Priority
from quarry.settings.group import Group, variable_name


def _suffix(lane: Priority) -> str:
    """What a lane's queue is called after the normal lane's."""
    return "" if lane is Priority.NORMAL else f"-{lane}"


class QueueSettings(Group):
    """SQS."""

    name: str = Field(
        "quarry-jobs",
        pattern=r"^[A-Za-z0-9_-]{1,70}$",
        description="Name of the normal lane's queue; the others are NAME-high and NAME-low, the dead-letter queue NAME-dlq. "
        "A wrong name stops the process at its start.",
    )
    url: str | None = Field(
        None,
        description="URL of the normal lane's queue; wins over the name. The others are then URL-high and URL-low. A wrong one "
        "stops the process at its start.",
    )
    high_url: str | None = Field(None, description="URL of the high lane's queue; wins over the name and over URL-high.")
    low_url: str | None = Field(None, description="URL of the low lane's queue; wins over the name and over URL-low.")
    dlq_url: str | None = Field(None, description="URL of the dead-letter queue; wins over the name.")

    @property
    def webhooks(self) -> tuple[str | None, str, str]:
        """The queue of reminders: its URL, None where it has to be looked up; its name; and that of its dead-letter queue's."""
        return self.url and f"{self.url}-webhooks", f"{self.name}-webhooks", f"{self.name}-webhooks-dlq"

    def name_of(self, lane: Priority) -> str:
        """The name of a lane's queue, where nothing says its URL."""
        return f"{self.name}{_suffix(lane)}"

    def url_of(self, lane: Priority) -> tuple[str | None, str]:
        """The URL of a lane's queue, None where it has to be looked up by name; and the variable that says it."""
        own = {Priority.HIGH: self.high_url, Priority.LOW: self.low_url}.get(lane)
        if own:
            return own, variable_name(("queue", f"{lane}_url"))
        return self.url and f"{self.url}{_suffix(lane)}", variable_name(("queue", "url"))
