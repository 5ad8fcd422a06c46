"""`quarry plan`: what a load needs, and what it costs."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from quarry.cli import exits
from quarry.cli.values import number, whole

if TYPE_CHECKING:
    from quarry.capacity.bill import Line, Tokens
    from quarry.capacity.plan import Load, Plan, Shortage

HELP = "Reckon the workers, the quota and a month's bill of a load; each price with its source. Asks nobody."
EXAMPLES = """\
  quarry plan --jobs-per-day 100000 --typical-seconds 20
  quarry plan --jobs-per-day 1e6 --rpm 1000 --tpm 2e6 --input-tokens 800 --output-tokens 200
  quarry plan --jobs-per-day 1e5 --input-tokens 800 --output-tokens 200 --model anthropic.claude-haiku-4-5-20251001-v1:0 --json"""

#: As a submission has it that names none.
_MAX_TOKENS: Final = 500
_WIDTH: Final = 15
#: What there can be of anything, by far, and what there must be: beyond it nothing that is reckoned is a number any more. Our own
#: choices.
_JOBS: Final = number(1e-3, 1e12)
_SECONDS: Final = number(1e-3, 1e7)
_A_MINUTE: Final = number(1e-3, 1e15)
_TOKENS: Final = whole(1, 10**9)
_USD: Final = number(0, 1e6)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("--jobs-per-day", type=_JOBS, required=True, metavar="N", help="how many jobs come in a day")
    parser.add_argument(
        "--typical-seconds", type=_SECONDS, default=20.0, metavar="S", help="how long a job takes (default: %(default)s)"
    )
    parser.add_argument(
        "--peak", type=number(1, 2), default=1.8, metavar="X", help="highest rate over the mean, 1 to 2 (default: %(default)s)"
    )
    parser.add_argument(
        "--slots", type=whole(1, 2000), default=100, metavar="N", help="jobs in flight per worker (default: %(default)s)"
    )
    parser.add_argument(
        "--min-tasks", type=whole(0, 10**6), default=1, metavar="N", help="workers there are always (default: %(default)s)"
    )
    parser.add_argument("--rpm", type=_A_MINUTE, metavar="N", help="the quota: requests a minute, of all targets together")
    parser.add_argument(
        "--tpm", type=_A_MINUTE, metavar="N", help="the quota: tokens a minute; needs --input-tokens and --output-tokens"
    )
    parser.add_argument("--input-tokens", type=_TOKENS, metavar="N", help="of one call, on average")
    parser.add_argument("--output-tokens", type=_TOKENS, metavar="N", help="of one call, on average")
    parser.add_argument(
        "--max-tokens", type=_TOKENS, metavar="N", help=f"what calls ask for at most (default: {_MAX_TOKENS}, or --output-tokens)"
    )
    parser.add_argument("--model", metavar="ID", help="its tokens' price, where one is known, and how its quota counts them")
    parser.add_argument("--usd-in", type=_USD, metavar="USD", help="a million tokens in, where you know better")
    parser.add_argument("--usd-out", type=_USD, metavar="USD", help="a million tokens out")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Reckon and print."""
    from quarry.capacity.bill import bill
    from quarry.capacity.plan import plan

    _refuse_what_cannot_be(arguments)
    tokens, unpriced = _tokens(arguments)
    load = _load(arguments)
    planned = plan(load)
    lines = bill(load, planned, tokens)
    print(_as_json(load, planned, lines, unpriced) if arguments.json else _as_text(load, planned, lines, unpriced))
    return exits.DONE


def _refuse_what_cannot_be(arguments: argparse.Namespace) -> None:
    told = arguments.input_tokens is not None, arguments.output_tokens is not None
    refusals = {
        "--input-tokens and --output-tokens go together": any(told) and not all(told),
        "--tpm needs --input-tokens and --output-tokens: the tokens of a call": arguments.tpm is not None and not all(told),
        "--max-tokens needs --input-tokens and --output-tokens": arguments.max_tokens is not None and not all(told),
        "--max-tokens is below --output-tokens: answers would be cut": all(told)
        and arguments.max_tokens is not None
        and arguments.max_tokens < arguments.output_tokens,
        "--usd-in and --usd-out go together": (arguments.usd_in is None) != (arguments.usd_out is None),
        "--usd-in needs --input-tokens and --output-tokens": arguments.usd_in is not None and not all(told),
    }
    if wrong := [text for text, applies in refusals.items() if applies]:
        raise exits.WrongUsage("; ".join(wrong))


def _load(arguments: argparse.Namespace) -> "Load":
    from quarry.capacity.plan import Load
    from quarry.inference.model_facts import burndown

    held = counted = None
    if arguments.input_tokens is not None:
        most = arguments.max_tokens or max(_MAX_TOKENS, arguments.output_tokens)
        held = arguments.input_tokens + most
        counted = arguments.input_tokens + arguments.output_tokens * (burndown(arguments.model) if arguments.model else 1)
    return Load(
        jobs_per_day=arguments.jobs_per_day,
        typical_seconds=arguments.typical_seconds,
        peak=arguments.peak,
        slots=arguments.slots,
        min_tasks=arguments.min_tasks,
        rpm=arguments.rpm,
        tpm=arguments.tpm,
        held_back_tokens=held,
        counted_tokens=counted,
    )


def _tokens(arguments: argparse.Namespace) -> "tuple[Tokens | None, list[str]]":
    """What a call takes and costs, and what of it has no price."""
    from quarry.capacity.bill import Tokens
    from quarry.capacity.prices import NOT_GLOBAL, TOKENS, Price
    from quarry.inference.model_ids import Kind, known_model_id

    if arguments.input_tokens is None:
        return None, ["the models' tokens: tell --input-tokens, --output-tokens, and --model or --usd-in and --usd-out"]
    many = arguments.input_tokens, arguments.output_tokens
    if arguments.usd_in is not None:
        in_price, out_price = (
            Price(usd, "million tokens", "", "the command line") for usd in (arguments.usd_in, arguments.usd_out)
        )
        return Tokens(*many, in_price, out_price), []
    found = known_model_id(arguments.model) if arguments.model else None
    foundation = (found and found.foundation_model) or ""
    known = next((prices for beginning, prices in TOKENS.items() if foundation.startswith(beginning)), None)
    if found is None or known is None:
        return Tokens(*many), [f"the tokens of {arguments.model or 'the models'}: tell --usd-in and --usd-out"]
    return Tokens(*many, *known, 1.0 if found.kind is Kind.GLOBAL_PROFILE else NOT_GLOBAL), []


def _as_json(load: "Load", planned: "Plan", lines: "tuple[Line, ...]", unpriced: list[str]) -> str:
    from dataclasses import asdict

    from quarry.capacity.prices import UNVERIFIED
    from quarry.cli.show import as_json

    rows = [
        {
            "what": each.what,
            "usd": round(each.usd, 2),
            "counted": each.counted,
            "prices": [price._asdict() for price in each.prices],
        }
        for each in lines
    ]
    sums = {"usd_a_month": round(sum(line.usd for line in lines), 2), "unverified": [*unpriced, *UNVERIFIED]}
    return as_json({"load": asdict(load), "plan": asdict(planned), "bill": rows} | sums)


def _as_text(load: "Load", planned: "Plan", lines: "tuple[Line, ...]", unpriced: list[str]) -> str:
    return "\n".join([*_needs(load, planned), "", *_costs(lines, unpriced)])


def _needs(load: "Load", planned: "Plan") -> Iterator[str]:
    rates = f"{_few(planned.jobs_per_second_trough)} at the trough, {_few(planned.jobs_per_second_peak)} at the peak"
    yield _row(
        "load", f"{load.jobs_per_day:,.0f} jobs a day of {load.typical_seconds:g} s: {_few(planned.jobs_per_second_mean)} a second"
    )
    yield _row("", rates)
    yield _row(
        "workers", f"{planned.tasks_trough} at the trough, {planned.tasks_peak} at the peak, {planned.tasks_mean:,.1f} on average"
    )
    yield _row("", f"of {load.slots} slots, nine tenths of them full; {planned.slots_peak:,} jobs in flight at the peak")
    yield _row("quota needed", f"{planned.rpm_needed:,.0f} requests a minute at the peak")
    if planned.tpm_needed is not None:
        yield _row("", f"{planned.tpm_needed:,.0f} tokens a minute, {planned.tpm_needed / planned.rpm_needed:,.0f} for a call")
    if planned.tasks_fed is not None:
        yield _row("quota given", f"used up by {planned.tasks_fed} workers; more would be paid for nothing")
        yield from (_row("", _short(each)) for each in planned.shortages)
        if not planned.shortages:
            yield _row("", "enough for the peak")


def _short(of: "Shortage") -> str:
    text = f"{of.granted:,.0f} {of.what} of {of.needed:,.0f}: "
    if of.longest_wait_seconds is None:
        return f"{text}too little; {of.jobs_left_a_day:,.0f} jobs are left over each day"
    return f"{text}the peak waits, for {_duration(of.longest_wait_seconds)} at the longest"


def _costs(lines: "tuple[Line, ...]", unpriced: list[str]) -> Iterator[str]:
    from quarry.capacity.prices import UNVERIFIED

    yield "USD a month, us-east-1, on demand:"
    for line in lines:
        yield f"  {line.what:<{_WIDTH - 2}}{line.usd:>12,.2f}  {line.counted}"
    yield f"  {'sum':<{_WIDTH - 2}}{sum(line.usd for line in lines):>12,.2f}"
    yield "unverified, and not in the sum:"
    yield from (f"  {each}" for each in (*unpriced, *UNVERIFIED))
    yield "prices (none from a page of AWS's own; check what weighs most):"
    for price in dict.fromkeys(price for line in lines for price in line.prices):
        yield f"  {price.usd:>12g}  per {price.unit}: {price.source}{f' ({price.as_of})' if price.as_of else ''}"


def _row(name: str, text: str) -> str:
    return f"{name:<{_WIDTH}}{text}"


def _few(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
