"""A month's bill, reckoned by hand from the table of prices."""

import re

import pytest

from quarry.capacity.bill import Tokens, bill
from quarry.capacity.plan import Load, plan
from quarry.capacity.prices import PRICES, TOKENS, UNVERIFIED, Price

#: A million jobs in the month of 730 hours.
LOAD = Load(1e6 / (730 / 24), peak=1)


def lines(tokens: Tokens | None = None, load: Load = LOAD) -> dict[str, float]:
    return {line.what: line.usd for line in bill(load, plan(load), tokens)}


def test_what_a_million_jobs_cost() -> None:
    """Line by line; content of 1 KB each way, so a record of 2 KB, then of 3."""
    assert lines() == pytest.approx({
        "workers": 730 * (0.04048 + 2 * 0.004445),
        "API": 730 * 2 * (0.5 * 0.04048 + 0.004445),
        "queues": 3 * 0.50,
        "table": (2 * 2 + 3 + 7) * 0.625 + 0.125,
        "logs": 3 * 0.50,
        "load balancer": 730 * 0.0225 + 2e6 / 3600 / 25 * 0.008,
        "firewall": 5 + 3 + 2 * 0.60,
        "endpoints": 730 * 16 * 0.01 + 5 * 0.01,
    })  # fmt: skip


def test_tokens_are_on_the_bill_where_their_price_is_told() -> None:
    """800 in at 3 dollars a million and 200 out at 15: 5,400 dollars for a million calls, a tenth more with the factor."""
    prices = Price(3, "", "", ""), Price(15, "", "", "")

    assert "models" not in lines(Tokens(800, 200))
    assert lines(Tokens(800, 200, *prices))["models"] == pytest.approx(5400)
    assert lines(Tokens(800, 200, *prices, 1.1))["models"] == pytest.approx(5940)


def test_large_content_makes_larger_items_up_to_what_a_record_holds() -> None:
    """4 KB of prompt: 5, 5 and 6 units of writes; what is far above 16 KiB lies elsewhere."""
    assert lines(Tokens(1000, 250))["table"] == pytest.approx((5 + 5 + 6 + 7) * 0.625 + 2 * 0.125)
    assert lines(Tokens(100_000, 100_000))["table"] == pytest.approx((17 + 17 + 33 + 7) * 0.625 + 9 * 0.125)


def test_every_price_has_its_source_and_date() -> None:
    """An address, and a year or month; and each is used."""
    prices = [*PRICES.values(), *(price for pair in TOKENS.values() for price in pair)]

    assert [price for price in prices if not price.source.startswith("https://")] == []
    assert [price for price in prices if not re.fullmatch(r"20\d\d(-(0[1-9]|1[0-2]))?", price.as_of) or price.usd <= 0] == []
    used = {price for line in bill(LOAD, plan(LOAD), None) for price in line.prices}
    assert used == set(PRICES.values())
    assert UNVERIFIED
