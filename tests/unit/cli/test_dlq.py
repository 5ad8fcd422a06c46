"""`quarry dlq`: what is typed, and what is said."""

import argparse
import io
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from quarry.cli import exits, main, parser, values
from quarry.cli.audit import OperatorAudit
from quarry.cli.dlq import listing, office, options
from quarry.deadletters.redrive import Done, Report
from quarry.deadletters.selection import Group
from quarry.errors import QueueUnavailable
from quarry.telemetry.acts import Act
from quarry.testing import NOW, a_job


def typed(*arguments: str) -> argparse.Namespace:
    return parser().parse_args(["dlq", *arguments])


class Terminal(io.StringIO):
    """A person who types this."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "choice", [(), ("--limit", "3"), ("--tenant", "x"), ("id", "--all"), ("id", "--reason", "x"), ("id", "--since", "1h")]
)
@pytest.mark.parametrize("verb", ["redrive", "discard"])
def test_it_must_be_said_what_is_meant(verb: str, choice: tuple[str, ...]) -> None:
    """Ids, or filters, or everything; nothing, and both, are not understood."""
    with pytest.raises(exits.WrongUsage, match="ids"):
        options.check_choice(typed(verb, *choice, "--yes"), verb)


@pytest.mark.parametrize("choice", [("--all",), ("--reason", "x"), ("--model", "x"), ("--since", "1h"), ("--until", "1h")])
def test_without_a_person_to_ask_more_than_ids_needs_a_yes(choice: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that forgot it changes nothing."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(exits.WrongUsage, match="--yes"):
        options.check_choice(typed("redrive", *choice), "Redrive")
    options.check_choice(typed("redrive", *choice, "--yes"), "Redrive")
    options.check_choice(typed("redrive", *choice, "--dry-run"), "Redrive")
    options.check_choice(typed("redrive", "id"), "Redrive")


@pytest.mark.parametrize(("answer", "meant"), [("y\n", True), (" YES \n", True), ("\n", False), ("n\n", False), ("", False)])
def test_a_person_is_asked(answer: str, meant: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not a yes is a no."""
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    if meant:
        options.check_choice(typed("redrive", "--all"), "Redrive")
    else:
        with pytest.raises(exits.CommandFailed, match="nothing was done"):
            options.check_choice(typed("redrive", "--all"), "Redrive")
    out, err = capsys.readouterr()
    assert (out, err.startswith("Redrive everything")) == ("", True)


def test_an_instant_may_be_an_age() -> None:
    """Or RFC 3339 with an offset."""
    assert values.instant("2026-11-21T12:00:00Z") == NOW
    assert values.instant("2026-11-21T13:00:00+01:00") == NOW
    for text, age in (("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604_800)):
        assert abs(datetime.now(UTC) - values.instant(text) - timedelta(seconds=age)) < timedelta(seconds=5)


@pytest.mark.parametrize("text", ["", "2h30m", "yesterday", "2026-11-21T12:00:00", "-2h", "2w"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    """Without an offset nobody knows which instant it is."""
    with pytest.raises(SystemExit) as ended:
        typed("list", f"--since={text}")
    assert ended.value.code == exits.USAGE


@pytest.mark.parametrize("wrong", ["--rate=0", "--rate=-1", "--rate=inf", "--canary=0", "--max-attempts=0", "--limit=0"])
def test_wrong_numbers_are_refused(wrong: str) -> None:
    """As usage."""
    with pytest.raises(SystemExit) as ended:
        typed("redrive", "--all", wrong)
    assert ended.value.code == exits.USAGE


@pytest.mark.parametrize(
    "arguments", [("--max-attempts", "11"), ("--deadline-seconds", "1036801"), ("--route", "nosuch"), ("not-a-request-id",)]
)
def test_what_a_redrive_cannot_mean_is_usage(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for a submission; said before AWS is asked."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    ids = () if arguments == ("not-a-request-id",) else (a_job().request_id,)
    assert main(["dlq", "redrive", *ids, *arguments]) == exits.USAGE
    assert capsys.readouterr().err.startswith("quarry: ")


def test_no_canary_is_none() -> None:
    """Five by default; the two options exclude each other."""
    assert [typed("redrive", "--all", *more).canary for more in ((), ("--canary", "9"), ("--no-canary",))] == [5, 9, 0]


def test_all_means_its_reasons_unless_others_are_named() -> None:
    """And filters narrow it."""
    everything = frozenset({"a", "b"})
    assert options.selection_of(typed("redrive", "--all"), everything).reasons == everything
    assert options.selection_of(typed("redrive", "--all", "--reason", "rejected"), everything).reasons == frozenset({"rejected"})
    assert options.selection_of(typed("redrive", "--since", "1h"), everything).reasons is None
    named = options.selection_of(typed("list", "--reason", "over", "--reason", "rejected", "--model", "m", "--tenant", "t"))
    assert (named.reasons, named.model, named.tenant) == (frozenset({"over", "rejected"}), "m", "t")


def test_a_reason_that_does_not_exist_is_usage() -> None:
    """With a slip of the finger "nothing was done" would be taken for good news; those that exist are told."""
    for known in ("attempts_exhausted", "no_record", "stranded", "malformed_envelope"):
        assert options.selection_of(typed("list", "--reason", known)).reasons == frozenset({known})
    with pytest.raises(exits.WrongUsage, match=r"no reason 'attempts_exausted'; there are attempts_exhausted, "):
        options.selection_of(typed("redrive", "--reason", "attempts_exausted"))


def test_who_finds_nothing_is_told_of_whom(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt tenant is no good news; and where the work broke off, nobody knows what there was."""

    async def finds_nothing() -> None:
        pass

    async def breaks_off() -> None:
        raise QueueUnavailable("SQS is away")

    audit = Recorded()
    deed, report = office.Deed(Act.JOBS_ERASED, "erased", "erasing"), Report(print)
    for line in ("redrive --all --tenant acmee", "redrive --all --tenant acmee --dry-run"):
        assert office.carry_out(audit, typed(*line.split()), deed, report, finds_nothing()) == exits.DONE
        assert capsys.readouterr().err == "quarry: nothing found of the tenant acmee; nothing was done\n"
    with pytest.raises(QueueUnavailable):
        office.carry_out(audit, typed("redrive", "--all"), deed, report, breaks_off())
    assert capsys.readouterr().err == "quarry: nothing was done\n"


def test_ids_are_taken_once() -> None:
    """Those of messages are none of jobs."""
    one, two = a_job().request_id, a_job().request_id
    assert options.request_ids(typed("discard", one, two, one, "8f0c3a52-0a4e-4d6b-9d7e-5a7f0e0a0b0c")) == [one, two]


def test_the_table_is_aligned_and_explains_itself() -> None:
    """A column for each place, a line for each reason that is not a job's."""
    groups = [Group("attempts_exhausted", 12, 1, 0, NOW, NOW), Group("stranded", 0, 0, 2, NOW, None)]
    groups.append(Group("unreadable_record", 0, 2, 0, request_ids=["01a", "01b"]))
    assert listing.as_table(groups).splitlines() == [
        "reason              in both  record only  queue only  oldest                newest",
        "attempts_exhausted  12       1            0           2026-11-21T12:00:00Z  2026-11-21T12:00:00Z",
        "stranded            0        0            2           2026-11-21T12:00:00Z",
        "unreadable_record   0        2            0",
        "",
        "stranded: SQS moved the message of a job that still waits; `quarry dlq redrive --all` sends it again",
        "unreadable_record: this version cannot read the record of the job: it is damaged, or of a newer version: 01a 01b",
    ]


class Recorded(OperatorAudit):
    """What would be in the audit log."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str, dict[str, object]]] = []

    def record(self, act: Act, tenant: str, **fields: object) -> None:
        self.records.append((act, tenant, fields))


@pytest.fixture
def _sigterm() -> Iterator[None]:
    """This process gets its handler back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_sigterm")
def test_what_was_done_before_a_sigterm_is_recorded() -> None:
    """A redrive may take hours, and be ended by whoever ends the machine."""
    audit, deed, report = Recorded(), office.Deed(Act.JOBS_DISCARDED, "discarded", "discarded messages"), Report(lambda _: None)

    async def work() -> None:
        report.add(Done("1", "discarded"))
        signal.raise_signal(signal.SIGTERM)

    arguments = typed("discard", "--all", "--tenant", "acme")
    assert office.carry_out(audit, arguments, deed, report, work()) == exits.INTERRUPTED
    assert [fields["count"] for _, _, fields in audit.records] == [1]


@pytest.mark.usefixtures("_sigterm")
@pytest.mark.parametrize("ends", [None, QueueUnavailable("away"), KeyboardInterrupt()], ids=["done", "failed", "interrupted"])
def test_what_was_done_is_recorded_however_it_ends(ends: BaseException | None) -> None:
    """Counts and ends of what was done, for the tenant it was done to; nothing where nothing was, or in a dry run."""
    audit, deed = Recorded(), office.Deed(Act.JOBS_DISCARDED, "discarded", "discarded messages")

    async def work(report: Report, *dones: Done) -> None:
        for done in dones:
            report.add(done)
        if ends:
            raise ends

    def carried_out(*options: str, dones: tuple[Done, ...] = ()) -> None:
        report = Report(lambda _: None)
        with suppress(QueueUnavailable):
            office.carry_out(audit, typed("discard", "--all", "--tenant", "acme", *options), deed, report, work(report, *dones))

    dones = (Done("1", "skipped"), Done("2", "discarded"), Done("3", "discarded"), Done("4", "unknown"))
    carried_out(dones=dones[:1])
    carried_out("--dry-run", dones=dones)
    assert audit.records == []
    carried_out(dones=dones)
    fields = {"count": 2, "messages": 0, "first_request_id": "2", "last_request_id": "3"}
    assert audit.records == [(Act.JOBS_DISCARDED, "acme", fields)]
