"""`quarry dlq show`."""

import argparse
import asyncio
import json
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from quarry.cli import exits
from quarry.cli.dlq.options import add_json
from quarry.cli.show import as_text

if TYPE_CHECKING:
    from quarry.deadletters.fates import Letter
    from quarry.job import Job
    from quarry.settings import Settings


@dataclass(slots=True)
class Found:
    """A job, a message, or both; `content` only where it was asked for."""

    job: "Job | None" = None
    letter: "Letter | None" = None
    content: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As a program reads it; the job is what the API shows, and what an operator needs beside."""
        out: dict[str, Any] = {"job": None, "dead_letter": None}
        if self.job:
            # Named, not imported: the command line is below the services.
            shown = import_module("producer.answers").job_out(self.job, self.job.finished_at or self.job.created_at)
            beside = {"tenant": self.job.tenant, "generation": self.job.generation}
            out["job"] = shown | beside | {"attempts_spent": self.job.attempts_spent, "max_attempts": self.job.max_attempts}
        if self.letter:
            delivery = self.letter.delivery
            out["dead_letter"] = {
                "message_id": delivery.message_id,
                "sent_at": delivery.sent_at.isoformat(),
                "reason": delivery.reason,
                "fate": self.letter.fate.value,
                "size_bytes": len(delivery.body.encode()),
            }
        return out if self.content is None else out | {"content": self.content}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("id", metavar="ID", help="a request id, or the id of a message that has no job")
    parser.add_argument("--tenant", default="default", metavar="TENANT", help="whose job (default: %(default)s)")
    parser.add_argument("--content", action="store_true", help="show what was asked, too, or the body of a message without a job")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show it."""
    from quarry.settings import load_settings

    found = asyncio.run(_find(load_settings(), arguments.id, arguments.tenant, arguments.content))
    if not (found.job or found.letter):
        raise exits.CommandFailed(f"there is neither a job nor a dead letter {arguments.id}")
    shown = found.as_json()
    print(json.dumps(shown, ensure_ascii=False) if arguments.json else _as_text(shown))
    return exits.DONE


async def _find(settings: "Settings", wanted: str, tenant: str, with_content: bool) -> Found:
    from quarry.cli.dlq.office import office
    from quarry.deadletters.reading import looking
    from quarry.deadletters.tidy import names
    from quarry.ids import is_request_id
    from quarry.store.json_forms import invocation_json

    found = Found()
    async with office(settings) as here:
        if is_request_id(wanted):
            found.job = await here.store.get(tenant, wanted)
        async with looking(here.dead, here.store) as look:
            while found.letter is None and (letters := await look.more()):
                theirs = (each for each in letters if each.envelope is None or each.envelope.tenant == tenant)
                found.letter = next((each for each in theirs if wanted in names(each)), None)
        found.job = found.job or (found.letter.job if found.letter else None)
        if with_content and found.job:
            stored = found.job.payload
            found.content = (await here.payloads.get(stored)).decode() if stored else invocation_json(found.job.invocation)
        elif with_content and found.letter:
            found.content = found.letter.delivery.body
    return found


def _as_text(shown: dict[str, Any]) -> str:
    parts = []
    if job := shown["job"]:
        lines = [f"{name:<14}{job[name]}" for name in ("tenant", "generation")]
        lines.append(f"{'budget':<14}{job['attempts_spent']} of {job['max_attempts']} attempts spent")
        parts.append("\n".join([as_text(job), *lines]))
    if letter := shown["dead_letter"]:
        parts.append("\n".join(["dead letter", *(f"  {name:<12}{value}" for name, value in letter.items() if value is not None)]))
    else:
        parts.append("It has no dead letter.")
    return "\n\n".join([*parts, shown["content"]] if "content" in shown else parts)
