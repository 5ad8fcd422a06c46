"""Screening by the policy of the moment: what may be asked, and what of an answer may be shown."""

import pytest

from quarry.errors import ContentForbidden
from quarry.guard.patterns import Forbidden
from quarry.invocation import Completion, Guardrail, Invocation
from quarry.job import Failed, StatusReason, Succeeded, advance
from quarry.store.item import from_item, to_item
from quarry.tenants.guard import Guard
from quarry.tenants.policy import Policy, Tenants
from quarry.testing import a_completion
from quarry.testing.builders import NOW, a_claimed_job
from tests.unit.worker.conftest import Bench
from worker import outcome, screening

CARD = Forbidden("card", r"\b\d{16}\b", frozenset({"output"}))
WATCHED = Forbidden("watched", "weather", frozenset({"input", "output"}), "flag")
CODENAME = Forbidden("codename", "basilisk")


def asking(text: str) -> Invocation:
    return Invocation(messages=({"role": "user", "content": [{"text": text}]},))


async def test_a_job_is_judged_by_the_policy_of_now() -> None:
    """It may have been submitted under another one. Nothing of the text is told, and what is flagged is asked."""
    with pytest.raises(ContentForbidden) as raised:
        await screening.asked(asking("the Basi\u200blisk"), Guard((CODENAME, WATCHED)))

    verdict = outcome.decide(raised.value, a_claimed_job(), NOW, 0.5)
    assert verdict.record is not None
    assert isinstance(verdict.record, Failed)
    assert (verdict.record.reason, verdict.record.failure.code) == (StatusReason.REJECTED, "content_refused")
    assert "codename" in verdict.record.failure.message
    assert "basilisk" not in verdict.record.failure.message.lower()
    await screening.asked(asking("weather"), Guard((CODENAME, WATCHED)))
    await screening.asked(asking("0" * 16), Guard((CARD,)))


async def test_what_narrows_a_guardrail_is_not_asked_where_there_is_one() -> None:
    narrow = Invocation(messages=({"role": "user", "content": [{"guardContent": {"text": {"text": "x"}}}]},))
    guard = Guard(guardrails={"us-east-1": Guardrail("us-east-1", "a", "1")})

    await screening.asked(narrow, Guard())
    with pytest.raises(ContentForbidden):
        await screening.asked(narrow, guard)


async def test_an_answer_is_withheld_whole() -> None:
    """With what it cost; the names of all that was in it stay."""
    answer = a_completion("The weather on 4111111111111111")

    shown = await screening.answered(answer, Guard((WATCHED, CARD)))

    assert (shown.content, shown.text, shown.stop_reason, shown.filtered) == ((), "", "content_filtered", True)
    assert (shown.flags, shown.usage, shown.served_by) == (("watched", "card"), answer.usage, answer.served_by)
    assert await screening.answered(answer, Guard((CODENAME,))) is answer


async def test_an_answer_that_is_flagged_stays() -> None:
    shown = await screening.answered(a_completion("weather"), Guard((WATCHED,)))

    assert (shown.text, shown.flags, shown.filtered) == ("weather", ("watched",), False)


@pytest.mark.parametrize(
    "content",
    [
        ({"toolUse": {"toolUseId": "t", "name": "pay", "input": {"card": "4111111111111111"}}},),
        ({"toolUse": {"toolUseId": "t", "name": "pay", "input": {"card": 4111111111111111}}},),
        ({"native": {"card": 4111111111111111.0}},),
        ({"text": "41111111"}, {"text": "11111111"}),
        ({"text": "41111111"}, {"citationsContent": {"content": [{"text": "11111111"}]}}),
        ({"citationsContent": {"content": [{"text": "41111111"}]}}, {"citationsContent": {"content": [{"text": "11111111"}]}}),
        ({"native": {"content": [{"type": "text", "text": "\uff14111111111111111"}]}},),
        ({"reasoningContent": {"reasoningText": {"text": "4111111111111111"}}},),
    ],
)
async def test_every_part_of_an_answer_is_looked_at(content: tuple[dict[str, object], ...]) -> None:
    answer = Completion(content, "end_turn", filtered=False, usage=a_completion("x").usage, served_by=a_completion("x").served_by)

    assert (await screening.answered(answer, Guard((CARD,)))).content == ()


async def test_a_long_search_is_made_beside_others() -> None:
    """In a thread, with the same result."""
    answer = a_completion("x" * 3_000_000 + " 4111111111111111")

    assert (await screening.answered(answer, Guard((CARD,)))).content == ()


async def test_flags_are_kept_with_the_job() -> None:
    shown = await screening.answered(a_completion("weather"), Guard((WATCHED,)))
    kept = from_item(to_item(advance(a_claimed_job(), Succeeded(shown), NOW), 1000))

    assert kept.result is not None
    assert kept.result.flags == ("watched",)


@pytest.mark.parametrize(
    ("asked", "answer", "counted"),
    [
        ("the basilisk", a_completion(), "refused"),
        ("Hi", a_completion("4111111111111111 and weather"), "withheld"),
        ("Hi", a_completion("weather"), "flagged"),
        ("Hi", a_completion("No.", stop_reason="guardrail_intervened", filtered=True), "intervened"),
        ("Hi", a_completion("Sunshine"), None),
        ("Hi", a_completion("", content=(), stop_reason="content_filtered", filtered=True), None),
    ],
)
async def test_what_was_found_is_counted(bench: Bench, asked: str, answer: Completion, counted: str | None) -> None:
    """Once for each attempt, by what became of it. A filter of the provider's own is none of the tenant's."""
    bench.tenants.become(Tenants(Policy(guard=Guard((CARD, WATCHED, CODENAME)))))
    bench.provider.play(answer)
    await bench.submitted(invocation=asking(asked))
    await bench.work()
    outcomes = ("refused", "withheld", "flagged", "intervened")
    found = {each: bench.count("quarry_guarded_total", outcome=each) for each in outcomes}
    assert {each: count for each, count in found.items() if count} == ({counted: 1} if counted else {})


def test_a_policy_that_withholds_says_so() -> None:
    """Then nothing of an answer is shown before it is whole."""
    assert [Guard(each).withholds for each in ((), (CODENAME,), (WATCHED,), (CARD,))] == [False, False, False, True]


def test_the_regions_of_all_guardrails_are_known() -> None:
    east, west = (Guard(guardrails={region: Guardrail(region, "a", "1")}) for region in ("us-east-1", "us-west-2"))

    assert Tenants(Policy(guard=east), {"acme": Policy(guard=west)}).guardrail_regions == {"us-east-1", "us-west-2"}
