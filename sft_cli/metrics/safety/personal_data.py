"""Personal data in a text, by its form: e-mail, phone, payment card, Chinese identity card, IP address."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date

from sft_cli.metrics.plain_text import fold_width

# A match begins where the run of such characters does: long runs are read once.
EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]+@(?:[a-z0-9-]+\.)+[a-z]{2,}(?![\w-])", re.IGNORECASE | re.ASCII)
RESERVED_DOMAIN = re.compile(r"(?:^|[@.])(?:example\.(?:com|net|org)|example|test|invalid|localhost)$", re.IGNORECASE)
PHONES = (
    re.compile(r"(?<![\d+])(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?![\d-])", re.ASCII),  # mobile, China
    re.compile(r"(?<![\d-])0\d{2,3}-\d{7,8}(?![\d-])", re.ASCII),  # landline, China
    re.compile(r"(?<![\d-])(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}(?![\d-])", re.ASCII),  # North America
    re.compile(r"(?<![\w+])\+\d{1,3}(?:[-. ]?\(?\d{1,4}\)?){2,5}(?![\d-])", re.ASCII),  # any, with its country
)
FEWEST_DIGITS, MOST_DIGITS = 8, 15  # of an international number: ITU-T E.164
CARD = re.compile(r"(?<![\d-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\d-])", re.ASCII)
IDENTITY_CARD = re.compile(r"(?<![\dA-Za-z])[1-9]\d{5}(?:18|19|20)\d{9}[\dXx](?![\dA-Za-z])", re.ASCII)
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999: 2^(17 − place) mod 11
CHECK_DIGITS = "10X98765432"
IP_V4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)", re.ASCII)
IP_V6 = re.compile(r"(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE | re.ASCII)

CAN_HAVE = re.compile("[0-9@:]")  # each kind has one of them


def digits_of(text: str) -> str:
    """The digits of a text."""
    return "".join(filter(str.isdigit, text))


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of a payment card's number. Source: ISO/IEC 7812-1, annex B."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number - 9 * (number > 9) for number in doubled) % 10 == 0


def is_identity_card(number: str) -> bool:
    """Whether digits are a number of a Chinese identity card: 18 of them, a date of birth, and the check digit."""
    if len(number) != 18:
        return False
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, number[:17], strict=True))
    return CHECK_DIGITS[total % 11] == number[17].upper()


# Each finds the items of a kind: (its place in the text, the item in one form).
PlacedItems = Iterator[tuple[tuple[int, int], str]]


def emails(text: str) -> PlacedItems:
    """Addresses in lower case, except those of domains that are reserved for examples (RFC 2606)."""
    for match in EMAIL.finditer(text):
        if not RESERVED_DOMAIN.search(match[0].rpartition("@")[2]):
            yield match.span(), match[0].lower()


def phones(text: str) -> PlacedItems:
    """Telephone numbers as digits: Chinese, North American, and any with + and its country."""
    for pattern in PHONES:
        for match in pattern.finditer(text):
            digits = digits_of(match[0])
            if FEWEST_DIGITS <= len(digits) <= MOST_DIGITS:
                yield match.span(), digits


def cards(text: str) -> PlacedItems:
    """Numbers of payment cards as 13 to 19 digits that begin with 2 to 6 and pass Luhn's test."""
    for match in CARD.finditer(text):
        digits = digits_of(match[0])
        if len(set(digits)) > 1 and passes_luhn(digits) and not is_identity_card(digits):
            yield match.span(), digits


def identity_cards(text: str) -> PlacedItems:
    """Numbers of Chinese identity cards with a right check digit."""
    for match in IDENTITY_CARD.finditer(text):
        if is_identity_card(match[0]):
            yield match.span(), match[0].upper()


def addresses(text: str) -> PlacedItems:
    """IP addresses of the public internet, versions 4 and 6."""
    for match in (*IP_V4.finditer(text), *IP_V6.finditer(text)):
        try:
            address = ipaddress.ip_address(match[0])
        except ValueError:
            continue
        if address.is_global:
            yield match.span(), str(address)


PERSONAL_DATA: dict[str, Callable[[str], PlacedItems]] = {
    "email": emails,
    "phone": phones,
    "card": cards,
    "id": identity_cards,
    "ip": addresses,
}


def personal_data(text: str, kind: str) -> set[str]:
    """The different items of a kind in a text, in one form each."""
    return {item for _, item in PERSONAL_DATA[kind](fold_width(text))}


def without_personal_data(text: str, kinds: Iterable[str]) -> tuple[str, list[str]]:
    """The text with `[email]`, `[phone]`, … in the place of each item, and the kinds that were found.

    A text that has items is returned in ordinary widths, as it was searched.
    """
    folded = fold_width(text)
    if not CAN_HAVE.search(folded):
        return text, []
    places = sorted((*place, kind) for kind in kinds for place, _ in PERSONAL_DATA[kind](folded))
    if not places:
        return text, []
    parts, end, there = [], 0, []
    for start, stop, kind in places:
        if start >= end:  # an item inside another is gone with it
            parts += [folded[end:start], f"[{kind}]"]
            end = stop
            there.append(kind)
    return "".join([*parts, folded[end:]]), list(dict.fromkeys(there))
