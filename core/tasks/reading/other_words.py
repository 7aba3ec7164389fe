"""Column names in other languages than English and Chinese, and known words inside longer ones.

Words are written as `plain_word` makes them: small letters, Latin accents taken off.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

_TARGETS = (
    "losung loesung begrundung erklarung explication solucion explicacion soluzione spiegazione etikett "
    "kategorie klasse klassen antwort ausgabe stimmung zusammenfassung ubersetzung uebersetzung absicht "
    "urteil ergebnis bewertung zielwert einstufung einordnung kennzeichnung schlagwort schlagworter "
    "schlagwoerter etiquette categorie classe reponse sortie resume traduction resultat cible verdict "
    "notation etiqueta etiquetas categoria clase respuesta salida resumen traduccion sentimiento intencion "
    "clasificacion puntuacion resultado etichetta risposta riassunto traduzione sentimento intento punteggio "
    "risultato rotulo resposta resumo traducao intencao classificacao antwoord samenvatting vertaling "
    "beoordeling klas svar sammanfattning oversattning kategori luokka vastaus etykieta kategoria klasa "
    "odpowiedz streszczenie tlumaczenie ocena wynik stitek trida odpoved cimke valasz eticheta raspuns etiket "
    "sinif cevap yanit ozet ceviri duygu puan jawaban ringkasan nhan метка класс категория ответ резюме "
    "перевод тональность интент оценка результат мітка клас категорія відповідь переклад ετικετα κατηγορια "
    "απαντηση ラベル 正解 カテゴリ カテゴリー 回答 答え 要約 翻訳 感情 評価 라벨 레이블 분류 카테고리 범주 "
    "답변 정답 요약 번역 감정 의도 تصنيف الفئة فئة إجابة الإجابة جواب تسمية ملخص ترجمة "
    "תווית תשובה קטגוריה סיכום תרגום लेबल उत्तर श्रेणी सारांश अनुवाद คำตอบ "
    "หมวดหมู่ برچسب پاسخ دسته خلاصه ترجمه"
)
_VALUES = (
    "betrag preis wert thema montant prix valeur sujet importe precio valor tema prezzo valore argomento "
    "preco prijs waarde cena kwota цена сумма тема 金額 価格 값 가격 amount price intention grade"
)
_INPUTS = (
    "satz eingabe nachricht beitrag kommentar rezension beschreibung artikel absatz kontext anfrage "
    "beschwerde anliegen texte phrase entree message commentaire avis critique description paragraphe "
    "contexte demande texto frase oracion entrada mensaje comentario resena opinion descripcion parrafo "
    "contexto consulta testo ingresso messaggio commento recensione descrizione contesto mensagem descricao "
    "tekst zin bericht opmerking beschrijving mening zdanie wiadomosc komentarz opinia tresc veta zprava "
    "mondat uzenet szoveg metin cumle mesaj yorum aciklama kalimat teks lause teksti mening текст предложение "
    "сообщение комментарий отзыв описание статья контекст запрос речення повідомлення відгук κειμενο προταση "
    "テキスト 本文 入力 原文 コメント レビュー メッセージ 텍스트 문장 입력 본문 댓글 리뷰 메시지 نص النص "
    "جملة تعليق رسالة טקסט משפט הודעה पाठ वाक्य संदेश ข้อความ ประโยค متن جمله "
    "پیام"
)
_ASKING = (
    "frage fragen question pregunta domanda pergunta vraag fraga sporsmal kysymys pytanie otazka kerdes "
    "intrebare soru pertanyaan вопрос питання ερωτηση 質問 設問 질문 سؤال السؤال שאלה प्रश्न सवाल "
    "คำถาม پرسش"
)
_IDS = (
    "nummer numero lfd datum uhrzeit zeit verfasser bearbeiter fecha hora autor auteur autore fichier archivo "
    "datei дата номер автор время 日付 番号 日時 作成者 날짜 번호 작성자 تاريخ رقم תאריך مرجع numer"
)
_SIDES = (
    "sprache quelle herkunft langue idioma lingua taal jezyk fuente fonte bron язык источник 言語 出典 언어 출처"
)

TARGETS = frozenset(_TARGETS.split())
VALUES = frozenset(_VALUES.split())
INPUTS = frozenset(_INPUTS.split())
ASKING = frozenset(_ASKING.split())
IDS = frozenset(_IDS.split())
SIDES = frozenset(_SIDES.split())
_SHORTEST_PART = 4  # letters; shorter words stand inside others by chance


def plain_word(word: str) -> str:
    """Small letters; accents of Latin and Greek letters taken off, since half of the headers come without them."""
    lower = word.casefold()
    if lower.isascii():
        return lower
    parts = (unicodedata.normalize("NFD", c) for c in lower)
    return unicodedata.normalize("NFC", "".join(p[0] if _is_accented(p) else p for p in parts))


def _is_accented(parts: str) -> bool:
    return len(parts) > 1 and ("a" <= parts[0] <= "z" or "α" <= parts[0] <= "ω")


def word_inside(token: str, known: Collection[str]) -> str:
    """The known word that a compound ends with ('kundenfrage' -> frage), its number taken off ('text2' -> text), or
    the longest that it holds in a script without blanks; '' when there is none."""
    bare = token.rstrip("0123456789")
    if bare in known:
        return bare
    if _has_no_blanks(bare):
        parts = (bare[a:b] for a in range(len(bare)) for b in range(len(bare), a + 1, -1))
        return max((p for p in parts if p in known), key=len, default="")
    ends = (bare[a:] for a in range(2, len(bare) - _SHORTEST_PART + 1))
    return next((end for end in ends if end in known), "")


def _has_no_blanks(token: str) -> bool:
    return any("\u3040" <= c <= "\u30ff" or "\u3400" <= c <= "\u9fff" or "\u0e00" <= c <= "\u0e7f" for c in token)
