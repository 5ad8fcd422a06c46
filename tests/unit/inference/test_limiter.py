"""The limiter of one target, rule by rule; what it comes to in traffic is in `test_limiter_in_traffic.py`."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.inference.limiter import Limiter, Permit, Word

AMOUNTS = st.floats(1e-6, 1e12)
WORDS = st.builds(
    Word,
    requests=st.none() | AMOUNTS,
    tokens=st.none() | AMOUNTS,
    pressed=st.booleans(),
    spent=st.booleans(),
    throttles=st.integers(0, 10**9),
    resumptions=st.integers(0, 10**9),
    minute=st.none() | st.tuples(AMOUNTS, AMOUNTS),
)
#: Of a peer to whom nothing happened yet.
QUIET = Word(None, None, pressed=False, spent=False, throttles=0, resumptions=0)


def limiter(requests: float = math.inf, tokens: float = math.inf) -> Limiter:
    return Limiter(requests, tokens, lambda: 0.0)


def throttle(each: Limiter, now: float, limit: str | None = "requests", hint: float | None = None) -> Permit:
    """A call that begins now and is throttled at once."""
    permit = each.begin(1, now)
    each.throttled(permit, now, limit, hint)
    return permit


def learned(rate: float = 20.0, now: float = 0.0) -> Limiter:
    """One that has learned from a peer what the target grants, `rate` a second of requests and of tokens."""
    each = limiter()
    each.follow({"peer": replace(QUIET, requests=rate, tokens=rate, pressed=True)}, 2, now)
    return each


def test_a_throttle_slows_down_the_limit_that_it_names() -> None:
    """The other one has nothing to do with it; where it names none, it may be either."""
    for limit, slowed in (("requests", (True, False)), ("tokens", (False, True)), (None, (True, True))):
        each = learned()
        before = each.rates
        each.wait(0)
        throttle(each, 10, limit)
        assert tuple(rate < earlier for rate, earlier in zip(each.rates, before, strict=True)) == slowed


def test_after_a_throttle_one_call_goes_first() -> None:
    """Nothing begins for a moment, and then one alone: what is used up cannot be overrun by all who wait."""
    each = limiter()
    throttle(each, 10)
    assert each.wait(10) == pytest.approx(0.1)
    assert each.held_by(10) == "throttled"
    assert each.wait(10.11) == 0
    each.begin(0, 10.11)
    assert each.wait(10.12) > 0
    assert each.held_by(10.12) == "throttled"


def test_a_probe_that_answers_or_is_not_refused_makes_way() -> None:
    """Refusals come at once: who has none a tenth of a second later was let in."""
    for ended in (True, False):
        each = learned()
        throttle(each, 10)
        probe = each.begin(0, 11)
        if ended:
            each.end(probe, 11.05)
        assert each.wait(11.05 if ended else 11.2) < 0.1
        assert each.word(11.2).resumptions == 1


@pytest.mark.parametrize(("limit", "let_in"), [("tokens", 3), (None, 3), ("requests", 1)])
@pytest.mark.parametrize("tokens", [200, 1000, 5000])
def test_one_call_that_is_let_in_is_no_new_minute_of_tokens(limit: str | None, let_in: int, tokens: float) -> None:
    """It may have found room in what others gave back: a few of them tell enough, small or large."""
    each = limiter()
    each.throttled(each.begin(1000, 10), 10, limit)
    for number in range(1, let_in + 1):
        assert each.word(10 + number).spent
        permit = each.begin(tokens, 10 + number)
        assert each.wait(10 + number) == pytest.approx(0.1)
        each.end(permit, 10.5 + number, tokens)
    assert not each.word(30).spent


def test_calls_that_were_let_in_before_a_refusal_count_no_more() -> None:
    """They are counted anew."""
    each = limiter()
    each.throttled(each.begin(1000, 10), 10, "tokens")
    for began in (11, 12):
        each.end(each.begin(200, began), began + 0.5, 200)
    each.throttled(each.begin(900, 13), 13, "tokens")
    for began in (20, 21):
        each.end(each.begin(200, began), began + 0.5, 200)
    assert each.word(22).spent


@pytest.mark.parametrize("on_its_way", [True, False])
def test_where_requests_are_short_as_well_one_call_tells_enough(on_its_way: bool) -> None:
    """Whether that was told by a call that was on its way already, or by the one that went first."""
    each = limiter()
    one, other = each.begin(1000, 10), each.begin(200, 10)
    each.throttled(one, 10, "tokens")
    each.throttled(other if on_its_way else each.begin(200, 10.5), 10.5, "requests")
    each.end(each.begin(200, 11), 12, 200)
    assert not each.word(12).spent


def test_pauses_grow_while_probes_are_refused() -> None:
    """Up to six seconds: the quota of a minute may be used up for most of it. Room again, and they begin anew."""
    each, now, pauses = limiter(), 10.0, []
    for _ in range(6):
        throttle(each, now)
        pauses.append(round(each.wait(now), 3))
        now += pauses[-1] + 0.001
    assert pauses == [0.1, 0.3, 0.9, 2.7, 5.0, 5.0]
    each.end(each.begin(0, now), now)
    throttle(each, now + 20)
    assert each.wait(now + 20) == pytest.approx(0.1)


@pytest.mark.parametrize(("hint", "wait"), [(3.0, 3.0), (0.01, 0.1), (3600.0, 60.0)])
def test_a_servers_hint_is_followed(hint: float, wait: float) -> None:
    """Up to a minute; and never does it shorten a pause."""
    each = limiter()
    throttle(each, 10, hint=hint)
    assert each.wait(10) == pytest.approx(wait)


def test_calls_that_began_before_a_throttle_count_once() -> None:
    """Twenty were under way when the quota was used up: that is one piece of news."""
    each = limiter()
    permits = [each.begin(0, 10) for _ in range(20)]
    for permit in permits:
        each.throttled(permit, 10.1, "requests")
    assert each.word(10.1).throttles == 1
    assert each.wait(10.1) == pytest.approx(0.1)


def test_what_did_not_begin_is_given_back() -> None:
    """And a probe that did not begin leaves its turn to the next."""
    each = limiter(requests=1)
    permit = each.begin(0, 10)
    assert each.wait(10) > 0
    each.cancel(permit)
    assert each.wait(10) == 0
    throttle(each, 10)
    each.cancel(each.begin(0, 20))
    assert each.wait(20) == 0


def test_what_was_reserved_and_not_used_is_given_back() -> None:
    """A call that may say 10,000 tokens mostly says a few hundred."""
    each = limiter(tokens=100)
    permit = each.begin(10_000, 0)
    each.end(permit, 1, tokens=200)
    assert each.wait(1) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("requests", "tokens", "held_by"), [(0.1, math.inf, "ceiling"), (math.inf, 0.1, "ceiling"), (math.inf, math.inf, "requests")]
)
def test_it_says_what_a_call_waits_for(requests: float, tokens: float, held_by: str) -> None:
    """Our own ceiling, or what the target grants."""
    each = limiter(requests, tokens)
    while each.wait(0) == 0:
        each.begin(1, 0)
    assert each.held_by(0) == held_by


def test_tokens_may_be_what_is_waited_for() -> None:
    """Few large calls: requests would have room."""
    each = learned(20)
    each.begin(1000, 0)
    assert each.held_by(0) == "tokens"


def test_a_ceiling_is_shared_and_may_change() -> None:
    """By all who live; a new one, of routes that were edited, holds from then on."""
    each = limiter(requests=8, tokens=800)
    each.follow({}, 4, 0)
    assert each.rates[0] == 2
    each.limit(16, 800)
    each.wait(0)
    assert each.rates[0] == 2.5  # as many as it begins with, of which a quarter each
    each.follow({}, 1, 0)
    assert each.rates[0] == 10


def test_a_peers_throttle_is_heeded() -> None:
    """The quota is everybody's: one that does not come back by the minute was overrun by all together."""
    each = learned(20)
    for i in range(90):
        each.begin(1, i / 30)
    assert each.wait(3) > 0
    before = each.rates[0]
    word = replace(QUIET, requests=before, tokens=before, pressed=True, throttles=1)
    each.follow({"peer": word}, 2, 3)
    assert each.rates[0] < before
    slowed = each.rates[0]
    each.follow({"peer": replace(word, requests=slowed, tokens=each.rates[1])}, 2, 6)
    assert each.rates[0] == pytest.approx(slowed), "the same news again is none"


def test_paces_grow_alike() -> None:
    """One that has more leans to one that has less, and the other way round, so that none starves and the sum stays."""
    each = learned(20)
    before = each.rates[0]
    each.follow({"peer": replace(QUIET, requests=before / 2, tokens=20, pressed=True)}, 2, 3)
    assert before / 2 < each.rates[0] < before
    idle = learned(20)
    idle.follow({"peer": replace(QUIET, requests=before / 2, tokens=20, pressed=False)}, 2, 3)
    assert idle.rates[0] == pytest.approx(before), "who is not held up says nothing of the quota"


def test_a_peer_that_is_served_ends_a_long_pause() -> None:
    """Word of room is worth more than a timer."""
    each = limiter()
    each.follow({"peer": QUIET}, 2, 0)
    now = 10.0
    for _ in range(5):
        throttle(each, now)
        now += each.wait(now) + 0.001
    throttle(each, now)
    assert each.wait(now) > 1
    each.follow({"peer": replace(QUIET, resumptions=1)}, 2, now)
    assert each.held_by(now) != "throttled"


def test_a_minute_that_is_known_is_waited_for_to_the_point() -> None:
    """Its next beginning is sixty seconds after the last one, and nobody asks for nothing before."""
    each = limiter()
    throttle(each, 30)
    now = 30.11
    for at in (30.5, 36.0, 42.0, 48.0, 54.0):
        throttle(each, at)
    now = 54 + each.wait(54)
    assert each.wait(now) == 0
    each.end(each.begin(0, now), now + 0.01)
    minute = each.word(now).minute
    assert minute
    assert (now - minute[0], now - minute[1]) == (54, now)
    throttle(each, 113)
    assert 113 + each.wait(113) == pytest.approx((54 + now) / 2 + 60)


def test_a_minute_that_begins_a_little_late_is_not_given_up() -> None:
    """The call that found its beginning may have arrived later than the one that looks for the next: three more looks, close by."""
    each = limiter()
    throttle(each, 30)
    for at in (30.5, 36.0, 42.0, 48.0, 54.0):
        throttle(each, at)
    now = 54 + each.wait(54)
    each.end(each.begin(0, now), now + 0.01)
    high, looks = now + 60, list[float]()
    throttle(each, 113)
    for _ in range(5):
        looks.append(at := (looks or [113.0])[-1] + each.wait((looks or [113.0])[-1]))
        throttle(each, at)
    assert looks[1:4] == pytest.approx([high, high + 0.3, high + 0.6])
    assert looks[4] > high + 5


def test_far_from_its_beginning_one_looks_now_and_then() -> None:
    """Once at once: perhaps the quota is another one by now. Then after ever shorter parts of what is left of the minute."""
    each = limiter()
    throttle(each, 30)
    for at in (30.5, 36.0, 42.0, 48.0, 54.0):
        throttle(each, at)
    now = 54 + each.wait(54)
    each.end(each.begin(0, now), now + 0.01)
    begins = (54 + now) / 2 + 60
    throttle(each, 80)
    assert each.wait(80) == pytest.approx(0.1)
    throttle(each, 80.1)
    assert each.wait(80.1) == pytest.approx((begins - 80.1) * 0.3)


@given(WORDS)
def test_a_word_is_read_as_it_was_written(word: Word) -> None:
    """Every one."""
    assert Word.loaded(word.dumped()) == word


@pytest.mark.parametrize(
    "text",
    ["", "null", "{}", "[]", "[1,2]", '["a",null,true,true,0,0,null]', "[1,2,true,true,0,0,[1]]", "[1,2,true,true,0,0,null,9]"],
)
def test_a_word_of_another_version_is_none(text: str) -> None:
    """It is told so, and whoever reads rows passes over it."""
    with pytest.raises(ValueError, match="not a word"):
        Word.loaded(text)
