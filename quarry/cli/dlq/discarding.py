"""`quarry dlq discard`."""

import argparse
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from quarry.cli.dlq.options import add_choice, check_choice, selection_of

if TYPE_CHECKING:
    from quarry.deadletters.redrive import Report
    from quarry.settings import Settings

#: Messages without a job, by the names under which they are listed.
_LOST: Final = frozenset({"no_record", "malformed_envelope", "unsupported_envelope"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    add_choice(parser, " of failed jobs, or ids of messages without a job")


def run(arguments: argparse.Namespace) -> int:
    """Discard; 1 where something that was named is not there."""
    from quarry.cli.audit import operator_audit
    from quarry.cli.dlq.office import Deed, carry_out, printing
    from quarry.settings import load_settings
    from quarry.telemetry.acts import Act

    check_choice(arguments, "Discard")
    settings, report = load_settings(), printing(arguments.json)
    deed = Deed(Act.JOBS_DISCARDED, "discarded", "discarded messages")
    return carry_out(operator_audit(settings), arguments, deed, report, _discard(settings, arguments, report))


async def _discard(settings: "Settings", arguments: argparse.Namespace, report: "Report") -> None:
    from quarry.cli.dlq.office import office
    from quarry.deadletters.discard import discard
    from quarry.deadletters.selection import BURIED
    from quarry.deadletters.tidy import tidy

    selection = selection_of(arguments, BURIED | _LOST)
    async with office(settings) as here, aclosing(here.chosen(arguments, selection)) as ids:
        await discard(here.store, here.clock, report, arguments.tenant, ids, dry_run=arguments.dry_run)
        await tidy(
            here.dead, here.store, here.lanes, arguments.tenant, report.counts,
            resend=lambda _: False, discard=lambda letter: bool(arguments.ids) or selection.takes_letter(letter),
            until=arguments.ids, dry_run=arguments.dry_run,
        )  # fmt: skip
