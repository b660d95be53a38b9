"""Checksums of files: of which a piece has changed, without reading the rest; and at once.

A crc32 is the remainder of a division of polynomials over GF(2), whose addition is xor. So the
change of a checksum depends on the change of the bytes alone, and on how many follow them.

Source: `crc32_combine` of zlib.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Final

import numpy as np

_DIVISOR: Final = 0xEDB8_8320  # crc32's, without its highest term; the highest bit stands for x⁰
_ONE: Final = 1 << 31
_WORD: Final = 8  # bytes


def changed(check: int, old: bytes, new: bytes, *, after: int) -> int:
    """The crc32 of what had the crc32 `check`, once a piece of it has been replaced.

    Args:
        check: Of the whole, before.
        old: The piece as it was.
        new: As it is now, of the same length.
        after: How many bytes follow it.

    >>> before, now = b"the red kite", b"the tea kite"
    >>> changed(zlib.crc32(before), b"red", b"tea", after=5) == zlib.crc32(now)
    True
    """
    return check ^ _product(zlib.crc32(old) ^ zlib.crc32(new), _power(8 * after))


def of_words(octets: bytes | memoryview, at: int = 0) -> int:
    """The sum of the little-endian words of 64 bits that a piece of an array is, or is a part of.

    Sums of pieces add up to that of the whole, modulo 2^64. Any flip of a bit changes it.

    Args:
        octets: The piece.
        at: How many bytes of the array come before it.

    >>> whole = bytes(range(20))
    >>> of_words(whole) == of_words(whole[:7]) + of_words(whole[7:], 7)
    True
    """
    head = octets[: -at % _WORD]
    begun = int.from_bytes(head, "little") << 8 * (at % _WORD)
    whole = len(head) + (len(octets) - len(head)) // _WORD * _WORD
    total = begun + int.from_bytes(octets[whole:], "little")
    if whole > len(head):
        total += int(np.frombuffer(octets[len(head) : whole], "<u8").sum())
    return total


def _product(one: int, other: int) -> int:
    """The product of two polynomials, modulo the divisor."""
    product = 0
    while one:
        if one & _ONE:
            product ^= other
        one = one << 1 & 0xFFFF_FFFF
        other = other >> 1 ^ (_DIVISOR if other & 1 else 0)
    return product


@cache
def _squared(times: int) -> int:
    """x^(2^times), modulo the divisor."""
    if times == 0:
        return _ONE >> 1
    half = _squared(times - 1)
    return _product(half, half)


def _power(exponent: int) -> int:
    """x^exponent, modulo the divisor."""
    power, times = _ONE, 0
    while exponent:
        if exponent & 1:
            power = _product(_squared(times), power)
        exponent, times = exponent >> 1, times + 1
    return power
