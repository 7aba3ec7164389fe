"""Small tables as people of many trades and languages have them, with what is right about each.

`CASES`: name -> (columns, inputs, targets, kind). Texts are made from word lists, so that they are all different.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Columns = dict[str, Sequence[Any]]


class Case(NamedTuple):
    columns: Columns
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    kind: str
    metric: str = ""


_PARTS = {
    "en": (
        ("The lamp", "My card", "The invoice", "Your driver", "This tap"),
        ("in flat {n}", "of order {n}", "from May {n}"),
        ("is broken again", "was never sent", "costs too much", "arrived late", "works fine now"),
    ),
    "de": (
        ("Die Lampe", "Meine Karte", "Die Rechnung", "Ihr Fahrer"),
        ("in Wohnung {n}", "zum Auftrag {n}", "vom Mai {n}"),
        ("ist schon wieder kaputt", "wurde nie geschickt", "kostet zu viel", "kam zu spät"),
    ),
    "fr": (
        ("La lampe", "Ma carte", "La facture", "Votre livreur"),
        ("du logement {n}", "de la commande {n}", "de mai {n}"),
        ("est encore en panne", "n'est jamais arrivée", "coûte trop cher", "va très bien"),
    ),
    "es": (
        ("La lámpara", "Mi tarjeta", "La factura", "El conductor"),
        ("del piso {n}", "del pedido {n}", "de mayo {n}"),
        ("está rota otra vez", "no llegó nunca", "cuesta demasiado", "funciona bien"),
    ),
    "it": (
        ("La lampada", "La mia carta", "La fattura"),
        ("della casa {n}", "dell'ordine {n}"),
        ("è di nuovo rotta", "non è mai arrivata", "costa troppo"),
    ),
    "pt": (
        ("A lâmpada", "O meu cartão", "A fatura"),
        ("do andar {n}", "do pedido {n}"),
        ("está avariada", "nunca chegou", "custa demais"),
    ),
    "nl": (
        ("De lamp", "Mijn kaart", "De rekening"),
        ("van woning {n}", "van bestelling {n}"),
        ("is weer kapot", "kwam nooit aan", "kost te veel"),
    ),
    "pl": (
        ("Lampa", "Moja karta", "Faktura"),
        ("w mieszkaniu {n}", "z zamówienia {n}"),
        ("znowu nie działa", "nigdy nie dotarła", "kosztuje za dużo"),
    ),
    "ru": (
        ("Лампа", "Моя карта", "Счёт"),
        ("в квартире {n}", "по заказу {n}"),
        ("снова не работает", "так и не пришёл", "стоит слишком дорого"),
    ),
    "tr": (
        ("Lamba", "Kartım", "Fatura"),
        ("{n} numaralı dairede", "{n} sayılı siparişte"),
        ("yine bozuk", "hiç gelmedi", "çok pahalı"),
    ),
    "zh": (
        ("房间的灯", "我的银行卡", "上个月的账单"),
        ("在{n}号楼", "订单{n}里"),
        ("又坏了，请尽快处理。", "一直没有收到。", "比平时贵了很多。"),
    ),
    "ja": (
        ("部屋の電気が", "私のカードが", "先月の請求書が"),
        ("{n}号室で", "注文{n}で"),
        ("また壊れました。", "まだ届いていません。", "高すぎると思います。"),
    ),
    "ko": (
        ("방의 전등이", "제 카드가", "지난달 청구서가"),
        ("{n}호에서", "주문 {n}에서"),
        ("또 고장 났습니다", "아직 오지 않았습니다", "너무 비쌉니다"),
    ),
    "ar": (
        ("المصباح", "بطاقتي", "الفاتورة"),
        ("في الشقة {n}", "للطلب {n}"),
        ("معطل مرة أخرى", "لم تصل أبدا", "غالية جدا"),
    ),
    "hi": (
        ("कमरे का बल्ब", "मेरा कार्ड", "पिछला बिल"),
        ("फ्लैट {n} में", "ऑर्डर {n} का"),
        ("फिर से खराब है", "अभी तक नहीं आया", "बहुत महंगा है"),
    ),
    "fa": (
        ("چراغ اتاق", "کارت من", "صورت‌حساب"),
        ("واحد {n}", "سفارش {n}"),
        ("دوباره خراب است", "هرگز نرسید", "خیلی گران است"),
    ),
}
NO_BLANKS = ("zh", "ja")


def texts(language: str, rows: int = 60, start: int = 100, sentences: int = 1) -> list[str]:
    """Different texts in a language; `sentences` of them in a row make a longer one."""
    heads, places, ends = _PARTS[language]
    mark = "" if language in NO_BLANKS else " "

    def one(i: int) -> str:
        return mark.join(
            (heads[i % len(heads)], places[i % len(places)].format(n=start + i), ends[(i // 3) % len(ends)])
        )

    stop = "" if language in NO_BLANKS else "."
    joined = "" if language in NO_BLANKS else " "
    return [
        joined.join(one(7 * i + 31 * s) + stop for s in range(sentences)) if sentences > 1 else one(i)
        for i in range(rows)
    ]


def cycle(values: Sequence[Any], rows: int = 60, step: int = 1) -> list[Any]:
    """Values in turns, not in the rhythm of the texts."""
    return [values[zlib.crc32(f"{step} {i}".encode()) % len(values)] for i in range(rows)]


def made(make: Callable[[int], Any], rows: int = 60) -> list[Any]:
    return [make(i) for i in range(rows)]


def inside(language: str, rows: int = 60) -> list[str]:
    """A few words of each text, for answers that stand in the input."""
    return [" ".join(t.split()[2:5]) for t in texts(language, rows)]
