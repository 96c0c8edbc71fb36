"""Values on the command line of training, each checked where it is parsed."""

from __future__ import annotations

from argparse import ArgumentTypeError
from fractions import Fraction


def whole_number(text: str) -> int:
    """A whole number above 0."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def share(text: str) -> Fraction:
    """A share above 0 and up to 1, written 1/4 or 0.25."""
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not 0 < value <= 1:
        raise ArgumentTypeError(f"{text!r} is not a share above 0 and up to 1, such as 1/4")
    return value


def error_share(text: str) -> float:
    """A share from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text!r} is not a share from 0 to 1, such as 0.05")
    return value
