"""`quarry dlq redrive`."""

import argparse
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from quarry.cli import exits
from quarry.cli.dlq.options import add_choice, check_choice, request_ids, selection_of
from quarry.cli.values import count, rate, seconds

if TYPE_CHECKING:
    from quarry.deadletters.redrive import Report, Terms
    from quarry.settings import Settings

#: As for a submission: a tenth attempt is no accident, and 12 days are what a message lasts.
_MAX_ATTEMPTS: Final = 10
_MAX_DEADLINE_SECONDS: Final = 1_036_800


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    add_choice(parser, " of jobs that failed, expired or were cancelled")
    parser.add_argument("--rate", type=rate, default=50.0, metavar="N", help="at most so many jobs a second (default: 50)")
    canary = parser.add_mutually_exclusive_group()
    canary.add_argument(
        "--canary", type=count, default=5, metavar="N",
        help="redrive so many first, and the others only when those have ended and did not fail again (default: %(default)s)",
    )  # fmt: skip
    canary.add_argument("--no-canary", action="store_const", dest="canary", const=0, help="redrive all at once")
    parser.add_argument(
        "--canary-seconds", type=seconds, default=600.0, metavar="SECONDS", help="how long those may take (default: 600)"
    )
    parser.add_argument("--route", metavar="ROUTE", help="send the jobs to this route or model id from now on (default: their own)")
    parser.add_argument("--max-attempts", type=count, metavar="N", help="new attempt budget (default: the job's own)")
    parser.add_argument("--deadline-seconds", type=count, metavar="N", help="new deadline, from now (default: the setting)")


def run(arguments: argparse.Namespace) -> int:
    """Redrive; 1 where something was left alone that was meant."""
    from quarry.cli.audit import operator_audit
    from quarry.cli.dlq.office import Deed, carry_out, printing
    from quarry.settings import load_settings
    from quarry.telemetry.acts import Act

    check_choice(arguments, "Redrive")
    if set(arguments.ids) - set(request_ids(arguments)):
        raise exits.WrongUsage("one of the ids is no request id; a message without a job can only be discarded")
    settings, report = load_settings(), printing(arguments.json)
    terms = _terms(settings, arguments)
    deed = Deed(Act.JOBS_REDRIVEN, "redriven", "sent again")
    return carry_out(operator_audit(settings), arguments, deed, report, _redrive(settings, arguments, terms, report))


async def _redrive(settings: "Settings", arguments: argparse.Namespace, terms: "Terms", report: "Report") -> None:
    from quarry.cli.dlq.office import office
    from quarry.deadletters.fates import Fate
    from quarry.deadletters.redrive import CanaryFailed, Redriver
    from quarry.deadletters.selection import BURIED
    from quarry.deadletters.tidy import tidy

    selection = selection_of(arguments, BURIED | {Fate.STRANDED.value})
    failed: CanaryFailed | None = None
    async with office(settings) as here:
        redriver = Redriver(
            here.store, here.payloads, here.lanes, here.clock, report, arguments.tenant, terms, here.keeping,
            rate=arguments.rate, dry_run=arguments.dry_run,
        )  # fmt: skip
        async with aclosing(here.chosen(arguments, selection)) as ids:
            try:
                await redriver.run(ids, arguments.canary, timedelta(seconds=arguments.canary_seconds))
            except CanaryFailed as error:
                failed = error
        await tidy(
            here.dead, here.store, here.lanes, arguments.tenant, report.counts,
            resend=lambda letter: bool(arguments.ids) or selection.takes_letter(letter),
            discard=lambda _: False, until=arguments.ids, dry_run=arguments.dry_run,
        )  # fmt: skip
    if failed:
        raise failed


def _terms(settings: "Settings", arguments: argparse.Namespace) -> "Terms":
    from quarry.deadletters.redrive import Terms
    from quarry.errors import ModelNotAllowed
    from quarry.inference.routes_file import load_routes

    if (arguments.max_attempts or 1) > _MAX_ATTEMPTS:
        raise exits.WrongUsage(f"--max-attempts is at most {_MAX_ATTEMPTS}")
    if (arguments.deadline_seconds or 1) > _MAX_DEADLINE_SECONDS:
        raise exits.WrongUsage(f"--deadline-seconds is at most {_MAX_DEADLINE_SECONDS}")
    if arguments.route:
        try:
            load_routes(settings.routes_file, settings.region).resolve(arguments.route)
        except ModelNotAllowed as error:
            raise exits.WrongUsage(f"--route {arguments.route}: {error} (QUARRY_ROUTES_FILE, as the workers have it)") from error
    deadline = timedelta(seconds=arguments.deadline_seconds or settings.job.deadline_seconds)
    return Terms(deadline, arguments.max_attempts, arguments.route)
