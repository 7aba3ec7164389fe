"""Digits in a spreadsheet's format: places, thousands, percent, exponents, fractions, and the format General."""

from __future__ import annotations

import decimal
import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

Token = tuple[str, str]
GENERAL_CHARS = 11  # that Excel's General spends on a number with decimals
_EXACT_DIGITS = 15  # that a spreadsheet keeps
_MOST_PLACES = 60
_LARGEST_WHOLE = 1e20


def show_general(value: float) -> str:
    """General: whole numbers whole (Excel turns those of 12 digits and more into 1.23E+12, which loses digits),
    others in at most 11 characters, so that the noise of binary fractions is not shown."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < _LARGEST_WHOLE):
        return str(int(value))
    if not math.isfinite(value):
        return str(value)
    exact = _exact(value)
    size = exact.adjusted()  # of the first digit: 0 for 3.5, -1 for 0.35
    # Excel goes over to an exponent where zeros after the point would fill the cell.
    if -5 < size < GENERAL_CHARS - 1 or (size < 0 and len(f"{exact.normalize():f}".lstrip("-")) <= GENERAL_CHARS):
        places = GENERAL_CHARS - 2 - max(size, 0)
        return _plain(_rounded(exact, places))
    if size >= GENERAL_CHARS - 1:
        return _plain(exact)
    digits, _, exponent = f"{exact:.5E}".partition("E")
    return f"{_plain(Decimal(digits))}E{int(exponent):+03d}"


def show_digits(value: float, tokens: Sequence[Token]) -> str:
    """A number of 0 or more in one section of a format."""
    kinds = [kind for kind, _ in tokens]
    exact = _exact(value).scaleb(2 * kinds.count("percent"))
    if "general" in kinds or "at" in kinds:
        number = show_general(float(exact))
        return "".join(number if kind in ("general", "at") else _literal(kind, text) for kind, text in tokens)
    if "digit" not in kinds:
        return "".join(_literal(kind, text) for kind, text in tokens)
    if "exp" in kinds:
        return _show_exponent(exact, tokens)
    slash = _fraction_at(tokens)
    if slash is not None:
        return _show_fraction(exact, tokens, slash)
    return _show_places(exact, tokens)


def _exact(value: float) -> Decimal:
    return Decimal(value) if isinstance(value, int) else Decimal(f"{value:.{_EXACT_DIGITS}g}")


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _rounded(value: Decimal, places: int) -> Decimal:
    with decimal.localcontext() as context:
        # The usual 28 digits would refuse a number of 1e300 with two places.
        context.prec = 400
        return value.quantize(Decimal(1).scaleb(-places), rounding=decimal.ROUND_HALF_UP)


def _literal(kind: str, text: str) -> str:
    return text if kind in ("lit", "percent", "slash", "point", "comma") else ""


def _show_places(value: Decimal, tokens: Sequence[Token]) -> str:
    """Places before and after the point; the digits are dealt out over them, what stands between stays."""
    last = max(i for i, (kind, _) in enumerate(tokens) if kind == "digit")
    point = next((i for i, (kind, _) in enumerate(tokens) if kind == "point"), None)
    end = point if point is not None else last + 1
    scaling = _scaling_commas(tokens, last, end)
    grouped = any(kind == "comma" and i < end and i not in scaling for i, (kind, _) in enumerate(tokens))
    places = min(_MOST_PLACES, sum(kind == "digit" for kind, _ in tokens[end:]))
    whole, _, decimals = f"{_rounded(value.scaleb(-3 * len(scaling)), places):f}".partition(".")
    before = _deal_whole(whole, tokens[:end], grouped)
    return before + _deal_decimals(decimals, [t for i, t in enumerate(tokens) if i >= end and i not in scaling])


def _scaling_commas(tokens: Sequence[Token], last: int, end: int) -> set[int]:
    """Commas after the last place before the point: each divides by a thousand."""
    # After the last place before the point, or at the very end: '0,.0' and '0.0,' both show thousands.
    places = [i for i, (kind, _) in enumerate(tokens[:end]) if kind == "digit"]
    found = set()
    for start in {places[-1] if places else last, last}:
        index = start + 1
        while index < len(tokens) and tokens[index][0] == "comma":
            found.add(index)
            index += 1
    return found


def _deal_whole(digits: str, tokens: Sequence[Token], grouped: bool) -> str:
    """From the right: each place takes a digit, the leftmost all that are left."""
    # '#.00' shows .50: a zero stands only where a 0 asks for it.
    digits = "" if digits == "0" else digits
    left = sum(kind == "digit" for kind, _ in tokens)
    parts: list[str] = []
    used = 0
    for kind, text in reversed(tokens):
        if kind != "digit":
            parts.append("" if kind == "comma" else _literal(kind, text))
            continue
        left -= 1
        take = digits if left == 0 else digits[-1:]
        digits = "" if left == 0 else digits[:-1]
        for digit in reversed(take or {"0": "0", "?": " "}.get(text, "")):
            parts.append("," if grouped and used and used % 3 == 0 and digit != " " else "")
            parts.append(digit)
            used += 1
    return "".join(reversed(parts))


def _deal_decimals(decimals: str, tokens: Sequence[Token]) -> str:
    parts: list[str] = []
    index = 0
    needed = len(decimals.rstrip("0"))
    for kind, text in tokens:
        if kind != "digit":
            parts.append("" if kind == "comma" else _literal(kind, text))
            continue
        digit = decimals[index : index + 1]
        parts.append(digit if index < needed or text == "0" else " " if text == "?" else "")
        index += 1
    return "".join(parts)


def _show_exponent(value: Decimal, tokens: Sequence[Token]) -> str:
    at = next(i for i, (kind, _) in enumerate(tokens) if kind == "exp")
    point = next((i for i, (kind, _) in enumerate(tokens[:at]) if kind == "point"), at)
    steps = max(1, sum(kind == "digit" for kind, _ in tokens[:point]))
    places = sum(kind == "digit" for kind, _ in tokens[point:at])
    power = 0 if value == 0 else value.adjusted() // steps * steps
    # 9.996E+2 with two places would be 10.00E+2; it is 1.00E+3.
    if _rounded(value.scaleb(-power), places) >= Decimal(10) ** steps:
        power += steps
    mantissa = _show_places(value.scaleb(-power), tokens[:at])
    sign = "-" if power < 0 else "+" if tokens[at][1].endswith("+") else ""
    return f"{mantissa}{tokens[at][1][0]}{sign}{_deal_whole(str(abs(power)), tokens[at + 1 :], False)}"


def _fraction_at(tokens: Sequence[Token]) -> int | None:
    """Where the stroke of a fraction is: digits (or a fixed number, such as /8) on both of its sides."""
    for index, (kind, _) in enumerate(tokens):
        if kind == "slash" and 0 < index < len(tokens) - 1 and tokens[index - 1][0] == "digit":
            after = tokens[index + 1]
            if after[0] == "digit" or after[1].isdigit():
                return index
    return None


def _show_fraction(value: Decimal, tokens: Sequence[Token], slash: int) -> str:
    above = slash
    while above and tokens[above - 1][0] == "digit":
        above -= 1
    below = slash + 1
    while below < len(tokens) and (tokens[below][0] == "digit" or tokens[below][1].isdigit()):
        below += 1
    fixed = "".join(text for _, text in tokens[slash + 1 : below])
    has_whole = any(kind == "digit" for kind, _ in tokens[:above])
    whole = int(value) if has_whole else 0
    rest = Fraction(value) - whole
    if fixed.strip("0#?"):
        bottom = max(1, int(fixed.replace("#", "0").replace("?", "0")))
        top = math.floor(rest * bottom + Fraction(1, 2))
    else:
        # '?/?' allows a denominator of one digit, '?/??' one of two: the nearest fraction with such a one.
        found = rest.limit_denominator(10 ** min(9, len(fixed)) - 1)
        top, bottom = found.numerator, found.denominator
    # Rounded up to a whole: 1 8/8 is 2.
    if has_whole and top == bottom:
        whole, top = whole + 1, 0
    parts = [str(whole)] if has_whole and (whole or not top) else []
    parts += [f"{top}/{bottom}"] if top or not has_whole else []
    tail = "".join(_literal(kind, text) for kind, text in tokens[below:])
    head = "".join(text for kind, text in tokens[:above] if kind == "lit" and text.strip())
    return f"{head}{' '.join(parts)}{tail}"
