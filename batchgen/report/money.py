"""Money for people and for JSON. Decimal in, never a binary fraction in between."""

from __future__ import annotations

from decimal import Decimal


def dollars(amount: Decimal) -> str:
    """Return US dollars for people: at least cents, as many digits below as there are, up to six."""
    whole, _, fraction = f"{abs(amount):.6f}".partition(".")
    sign = "-" if amount < 0 else ""
    return f"{sign}${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def number(amount: Decimal) -> int | float:
    """Return the JSON number of an amount, whole where the amount is."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def cost_words(total: Decimal, estimated: Decimal, unpriced: int) -> str:
    """Return a total with how sure it is.

    `estimated` is the part of `total` that the API has not confirmed; `unpriced` counts the requests that have cost
    something nobody knows.
    """
    without = f"{unpriced} request{'' if unpriced == 1 else 's'} without a known price"
    if not total and unpriced:
        return f"unknown ({without})"
    words = dollars(total)
    if estimated and estimated == total:
        words += " (estimated)"
    elif estimated:
        words += f", of which {dollars(estimated)} is estimated"
    return f"{words}; {without} not counted" if unpriced else words
