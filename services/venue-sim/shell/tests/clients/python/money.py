"""Exact amounts, and how the simulated exchange books them: half away from zero, to the pair's cost decimals and then
to the asset's own (crates/pure/matching/src/money.rs)."""

import asyncio
import time
from decimal import ROUND_HALF_UP, Decimal

MAKER, TAKER = Decimal("0.0025"), Decimal("0.0040")
COST_DECIMALS = 5
BALANCE_DECIMALS = {"XXBT": 10, "ZUSD": 4}


def rounded(amount, decimals):
    return amount.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


def booked(amount, asset):
    return rounded(rounded(amount, COST_DECIMALS), BALANCE_DECIMALS[asset])


def walk(levels, qty):
    """What taking `qty` from these levels costs: one (price, qty) a level, best first."""
    taken, left = [], qty
    for price, offered in levels:
        size = min(left, offered)
        taken.append((price, size))
        left -= size
        if left == 0:
            return taken
    raise AssertionError(f"the book is too thin: {left} of {qty} left")


def spent(fills, rate):
    """What fills cost and what the venue takes for them, as booked in US dollars."""
    cost = sum(booked(price * qty, "ZUSD") for price, qty in fills)
    fee = sum(booked(rounded(price * qty, COST_DECIMALS) * rate, "ZUSD") for price, qty in fills)
    return cost, fee


def until(look, what, seconds=60):
    """Asks until the answer is something; what happens on its own time at the exchange is waited for like this."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")


async def settled(check, seconds=30):
    """Waits until what was streamed has arrived: until `check` no longer complains."""
    end = time.monotonic() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > end:
                raise
        await asyncio.sleep(0.02)
