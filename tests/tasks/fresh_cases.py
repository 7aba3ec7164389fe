"""Tables that were written after the rules, to see what the rules miss; see made_tables and guess_cases."""

from __future__ import annotations

from tests.tasks.made_tables import Case, cycle, made, texts

EN, DE, FR, ES, ZH, JA, RU, AR, IT, PT, KO, TR = (
    texts(x) for x in ("en", "de", "fr", "es", "zh", "ja", "ru", "ar", "it", "pt", "ko", "tr")
)
LONG = texts("en", sentences=5)
C, M, X, Q, G, N = "classification", "multilabel", "extraction", "question_answering", "generation", "number"

FRESH: dict[str, Case] = {
    "ticket export": Case(
        {
            "Vorgangsnummer": made(lambda i: f"2024-{i:05}"),
            "Eingang": made(lambda i: f"{i % 28 + 1:02}.03.2024"),
            "Freitext": DE,
            "Team": cycle(["Haustechnik", "Verwaltung", "Empfang"]),
        },
        ("Freitext",),
        ("Team",),
        C,
    ),
    "triage": Case(
        {"Triage": cycle(["rot", "gelb", "grün"]), "Beschwerden": DE, "Alter": cycle(list(range(20, 80)))},
        ("Beschwerden",),
        ("Triage",),
        C,
    ),
    "clinic note icd": Case(
        {
            "mrn": made(lambda i: 700000 + i * 13),
            "visit_date": made(lambda i: f"2023-0{i % 9 + 1}-1{i % 9}"),
            "note_text": LONG,
            "icd10": cycle(["J06.9", "I10", "M54.5"]),
        },
        ("note_text",),
        ("icd10",),
        C,
    ),
    "legal": Case({"clause": LONG, "risk": cycle(["high", "medium", "low"])}, ("clause",), ("risk",), C),
    "contract qa": Case(
        {
            "contract": texts("en", sentences=8),
            "q": made(lambda i: f"what does clause {i} say about fees?"),
            "a": [t.split(".")[0] for t in texts("en", sentences=8)],
        },
        ("contract", "q"),
        ("a",),
        Q,
    ),
    "subtitle": Case({"src_de": DE, "tgt_en": EN}, ("src_de",), ("tgt_en",), G),
    "zh-en": Case({"中文": ZH, "英文": EN}, ("中文",), ("英文",), G, "chrf"),
    "spelling": Case({"wrong": [t.replace("e", "3") for t in EN], "right": EN}, ("wrong",), ("right",), G),
    "simplify": Case({"complex sentence": LONG, "easy sentence": EN}, ("complex sentence",), ("easy sentence",), G),
    "headline": Case(
        {"body": LONG, "headline": [f"{t.split()[1]} {t.split()[-1]} {i}" for i, t in enumerate(EN)]},
        ("body",),
        ("headline",),
        G,
    ),
    "tags hash": Case(
        {"post": EN, "hashtags": cycle(["#noise", "#noise #smell", "#water", "#smell #water"])},
        ("post",),
        ("hashtags",),
        C,
    ),
    "pipes": Case(
        {"post": EN, "genres": cycle(["drama", "drama|crime", "crime", "comedy|drama"])}, ("post",), ("genres",), M
    ),
    "multi hot": Case(
        {
            "comment_text": EN,
            "toxic": cycle([0, 1], step=2),
            "obscene": cycle([0, 1], step=3),
            "threat": cycle([0, 1], step=5),
        },
        ("comment_text",),
        ("toxic", "obscene", "threat"),
        M,
    ),
    "survey": Case(
        {
            "Zeitstempel": made(lambda i: f"2024/03/{i % 28 + 1} 10:{i % 60:02}:00"),
            "Was können wir besser machen?": DE,
            "Wie zufrieden sind Sie?": cycle([1, 2, 3, 4, 5]),
        },
        ("Was können wir besser machen?",),
        ("Wie zufrieden sind Sie?",),
        C,
    ),
    "nps": Case({"Score": cycle(list(range(11)), 200), "Feedback": texts("en", 200)}, ("Feedback",), ("Score",), C),
    "bank": Case(
        {
            "Buchungstag": made(lambda i: f"{i % 28 + 1:02}.01.24"),
            "Verwendungszweck": DE,
            "Betrag": made(lambda i: f"-{i * 37 % 900},{i % 99:02}"),
            "Kategorie": cycle(["Miete", "Essen", "Auto"]),
        },
        ("Verwendungszweck", "Betrag"),
        ("Kategorie",),
        C,
    ),
    "product": Case(
        {
            "sku": made(lambda i: f"SKU{i:06}"),
            "title": EN,
            "description": LONG,
            "department": cycle(["home", "garden", "toys"]),
        },
        ("title", "description"),
        ("department",),
        C,
    ),
    "house": Case(
        {"listing": LONG, "rooms": cycle([1, 2, 3, 4]), "rent": made(lambda i: f"€ {500 + i * 17}")},
        ("listing",),
        ("rent",),
        N,
    ),
    "duration": Case({"task": EN, "minutes": made(lambda i: i * 7 % 90 + 3)}, ("task",), ("minutes",), N),
    "temperature": Case(
        {"report": EN, "temp": made(lambda i: f"{i % 9 - 4}.{i % 7} °C")}, ("report",), ("temp",), G
    ),
    "ja yesno": Case({"質問文": JA, "判定": cycle(["可", "不可"])}, ("質問文",), ("判定",), C),
    "ru score": Case({"отзыв": RU, "оценка": cycle([1, 2, 3, 4, 5])}, ("отзыв",), ("оценка",), C),
    "ar": Case(
        {"رقم": list(range(60)), "الرسالة": AR, "القسم": cycle(["الصيانة", "المالية"])}, ("الرسالة",), ("القسم",), C
    ),
    "it": Case(
        {"id_reclamo": made(lambda i: f"R{i:04}"), "testo_reclamo": IT, "gravità": cycle(["alta", "bassa"])},
        ("testo_reclamo",),
        ("gravità",),
        C,
    ),
    "pt chat": Case(
        {"pergunta": PT, "resposta": PT[::-1], "canal": cycle(["app", "web"])}, ("pergunta",), ("resposta",), G
    ),
    "he": Case({"טקסט": AR, "תווית": cycle(["חיובי", "שלילי"])}, ("טקסט",), ("תווית",), C),
    "sv": Case(
        {"mening": [t.replace("the", "det") for t in EN], "känsla": cycle(["glad", "arg"])},
        ("mening",),
        ("känsla",),
        C,
    ),
    "vi": Case({"câu": EN, "nhãn": cycle(["tốt", "xấu"])}, ("câu",), ("nhãn",), C),
    "el": Case({"κείμενο": EN, "κατηγορία": cycle(["καλό", "κακό"])}, ("κείμενο",), ("κατηγορία",), C),
    "no names": Case({"column_1": EN, "column_2": cycle(["a", "b", "c"])}, ("column_1",), ("column_2",), C),
    "no names reversed": Case(
        {"column_1": cycle(["a", "b", "c"]), "column_2": EN}, ("column_2",), ("column_1",), C
    ),
    "no names three": Case(
        {"column_1": list(range(60)), "column_2": EN, "column_3": cycle(["a", "b", "c"])},
        ("column_2",),
        ("column_3",),
        C,
    ),
    "unnamed index": Case(
        {"Unnamed: 0": list(range(60)), "review_text": LONG, "is_spoiler": cycle(["True", "False"])},
        ("review_text",),
        ("is_spoiler",),
        C,
    ),
    "mcq": Case(
        {
            "question": made(lambda i: f"which of these is number {i}?"),
            "A": EN,
            "B": DE,
            "C": FR,
            "D": ES,
            "answer": cycle(["A", "B", "C", "D"]),
        },
        ("question", "A", "B", "C", "D"),
        ("answer",),
        C,
    ),
    "nli de": Case(
        {"Prämisse": DE, "Hypothese": DE[::-1], "Beziehung": cycle(["folgt", "widerspricht", "neutral"])},
        ("Prämisse", "Hypothese"),
        ("Beziehung",),
        C,
    ),
    "sim": Case(
        {"s1": EN, "s2": EN[::-1], "similarity": made(lambda i: f"{i * 7 % 50 / 10:.2f}")},
        ("s1", "s2"),
        ("similarity",),
        N,
    ),
    "sql": Case(
        {"question": EN, "schema": LONG, "sql": made(lambda i: f"SELECT a{i} FROM t WHERE b = {i}")},
        ("question", "schema"),
        ("sql",),
        G,
    ),
    "code docs": Case(
        {"code": made(lambda i: f"def f{i}(x):\n    return x + {i}"), "docstring": EN}, ("code",), ("docstring",), G
    ),
    "math": Case({"problem": EN, "solution": LONG, "answer": made(lambda i: i * 37)}, ("problem",), ("answer",), N),
    "formula": Case(
        {"description": EN, "latex": made(lambda i: f"x^{{{i}}}+{i}=0")}, ("description",), ("latex",), G
    ),
    "keyphrases": Case(
        {
            "abstract": LONG,
            "keywords": [f"{t.split()[1]}; {' '.join(t.split()[2:5])}" for t in texts("en", sentences=5)],
        },
        ("abstract",),
        ("keywords",),
        X,
    ),
    "phone": Case(
        {
            "mail": [f"{t}, call 0170 {1000000 + i * 7919}" for i, t in enumerate(EN)],
            "telefon": made(lambda i: f"0170 {1000000 + i * 7919}"),
        },
        ("mail",),
        ("telefon",),
        X,
    ),
    "name entity json": Case({"sentence": EN, "ents": [[t.split()[1]] for t in EN]}, ("sentence",), ("ents",), X),
    "emoji": Case({"tweet": EN, "emoji": cycle(["😀", "😢", "😡"])}, ("tweet",), ("emoji",), C),
    "city": Case(
        {"review": EN, "city": cycle(["Lyon", "Nice", "Metz"]), "stars": cycle([1, 2, 3, 4, 5])},
        ("review",),
        ("stars",),
        C,
    ),
    "speaker": Case({"line": EN, "speaker": cycle(["Hamlet", "Ophelia"])}, ("line",), ("speaker",), C),
    "lang id": Case(
        {
            "text": [a for p in zip(EN[:20], DE[:20], FR[:20], strict=True) for a in p],
            "language": ["en", "de", "fr"] * 20,
        },
        ("text",),
        ("language",),
        C,
    ),
    "source id": Case({"text": EN, "source": cycle(["Reuters", "AP"])}, ("text",), ("source",), C),
    "version": Case(
        {"changelog": EN, "version": cycle(["major", "minor", "patch"])}, ("changelog",), ("version",), C
    ),
    "split": Case(
        {"text": EN, "label": cycle(["x", "y"]), "fold": cycle([0, 1, 2, 3, 4])}, ("text",), ("label",), C
    ),
    "answer key pair": Case(
        {"id": made(lambda i: f"q{i}"), "stem": EN, "key": cycle(["true", "false"])}, ("stem",), ("key",), C
    ),
    "two labels": Case(
        {"utterance": EN, "domain": cycle(["bank", "travel"]), "intent": cycle(["pay", "book", "ask"])},
        ("utterance",),
        ("intent",),
        C,
    ),
    "prev reply": Case({"previous": EN, "reply": DE}, ("previous",), ("reply",), G),
    "small 4 rows": Case(
        {"Text": DE[:4], "Klasse": ["gut", "schlecht", "gut", "schlecht"]}, ("Text",), ("Klasse",), C
    ),
    "all unique labels few": Case(
        {
            "animal": ["dog", "cat", "bird", "fish", "horse", "cow"],
            "sound": ["woof", "meow", "tweet", "blub", "neigh", "moo"],
        },
        ("animal",),
        ("sound",),
        G,
    ),
    "helpdesk": Case(
        {
            "opened_at": made(lambda i: f"2024-05-{i % 28 + 1:02} 10:00"),
            "caller": cycle(["A. Li", "B. Mo", "C. Nu"]),
            "short_description": EN,
            "assignment_group": cycle(["network", "desktop"]),
        },
        ("short_description",),
        ("assignment_group",),
        C,
    ),
    "court": Case(
        {
            "Aktenzeichen": made(lambda i: f"{i} C {i * 3}/23"),
            "Leitsatz": DE,
            "Entscheidung": cycle(["stattgegeben", "abgewiesen"]),
        },
        ("Leitsatz",),
        ("Entscheidung",),
        C,
    ),
    "recipes": Case(
        {
            "ingredients": [f"salt; sugar {i}; flour" for i in range(60)],
            "cuisine": cycle(["thai", "greek", "peruvian"]),
        },
        ("ingredients",),
        ("cuisine",),
        C,
    ),
    "jobs": Case(
        {
            "job_title": [f"senior {w} {i}" for i, w in enumerate(cycle(["cook", "nurse", "driver"]))],
            "salary": made(lambda i: 30000 + i * i * 7),
        },
        ("job_title",),
        ("salary",),
        N,
    ),
    "essay": Case({"essay": LONG, "band": cycle(["5.0", "5.5", "6.0", "6.5"])}, ("essay",), ("band",), C),
    "quiz zh": Case(
        {"题目": ZH, "选项": [f"A {i} B {i + 1}" for i in range(60)], "正确答案": cycle(["A", "B"])},
        ("题目", "选项"),
        ("正确答案",),
        C,
    ),
    "poem": Case({"first line": EN, "second line": DE}, ("first line",), ("second line",), G),
    "faq ko": Case({"질문": KO, "답변": KO[::-1]}, ("질문",), ("답변",), G),
    "tr three": Case(
        {"sıra": list(range(1, 61)), "yorum": TR, "durum": cycle(["iyi", "kötü", "orta"])},
        ("yorum",),
        ("durum",),
        C,
    ),
    "fr note": Case({"copie": texts("fr", sentences=4), "note": cycle([8, 10, 12, 15])}, ("copie",), ("note",), C),
    "es gravity": Case(
        {
            "Fecha": made(lambda i: f"{i % 28 + 1}/02/2024"),
            "Incidencia": ES,
            "Prioridad": cycle(["alta", "media", "baja"]),
        },
        ("Incidencia",),
        ("Prioridad",),
        C,
    ),
    "labels first many": Case({"y": cycle([0, 1]), "x": EN}, ("x",), ("y",), C),
    "tokens": Case(
        {
            "tokens": [t.split() for t in EN],
            "ner_tags": [["O", "B-THING"] + ["O"] * (len(t.split()) - 2) for t in EN],
        },
        ("tokens",),
        ("ner_tags",),
        X,
    ),
    "aspect pairs": Case(
        {
            "review": EN,
            "opinions": cycle(["noise: bad; price: good", "price: good", "noise: bad", "staff: good; noise: bad"]),
        },
        ("review",),
        ("opinions",),
        X,
    ),
    "bool py": Case({"msg": EN, "is_spam": cycle([True, False])}, ("msg",), ("is_spam",), C),
    "ordinal words": Case(
        {"statement": EN, "agreement": cycle(["strongly agree", "agree", "disagree", "strongly disagree"])},
        ("statement",),
        ("agreement",),
        C,
    ),
    "confidence": Case(
        {"sentence": EN, "label": cycle(["a", "b"]), "confidence": made(lambda i: round(0.5 + i % 50 / 100, 2))},
        ("sentence",),
        ("label",),
        C,
    ),
    "annotators": Case(
        {"text": EN, "annotator": cycle(["ann1", "ann2"]), "rating": cycle([1, 2, 3])}, ("text",), ("rating",), C
    ),
    "title price": Case({"Titel": DE, "Preis": made(lambda i: f"{i * 13 % 700},99")}, ("Titel",), ("Preis",), N),
    "addr": Case(
        {
            "letter": [f"{t}. Main Street {i}" for i, t in enumerate(EN)],
            "address": made(lambda i: f"Main Street {i}"),
        },
        ("letter",),
        ("address",),
        X,
    ),
    "date norm": Case(
        {
            "spoken": made(lambda i: f"the {i % 28 + 1} of march in the year {1990 + i}"),
            "iso": made(lambda i: f"{1990 + i}-03-{i % 28 + 1:02}"),
        },
        ("spoken",),
        ("iso",),
        G,
    ),
    "json out": Case(
        {"request": EN, "call": made(lambda i: f'{{"name": "f", "n": {i}}}')}, ("request",), ("call",), G
    ),
    "ja sum": Case({"記事": texts("ja", sentences=5), "見出し": JA}, ("記事",), ("見出し",), G),
    "ru en": Case({"Русский": RU, "Английский": EN}, ("Русский",), ("Английский",), G, "chrf"),
    "slash": Case({"text": EN, "slot": cycle(["Mon/Tue", "Wed", "Thu/Fri"])}, ("text",), ("slot",), C),
    "clock": Case({"text": EN, "when": cycle(["08:00", "08:30", "17:45"])}, ("text",), ("when",), C),
    "url": Case(
        {"text": EN, "link": cycle(["https://a.example/x?y=1", "https://b.example"])}, ("text",), ("link",), C
    ),
    "nothing": Case({"a": cycle(["p", "q"]), "b": cycle(["r", "s"], step=3)}, ("a",), ("b",), C),
    "wide": Case(
        {**{f"f{k}": cycle([1, 2, 3], step=k) for k in range(5)}, "comment": EN, "grade": cycle(["A", "B", "C"])},
        ("comment",),
        ("grade",),
        C,
    ),
    "page no": Case(
        {"page": list(range(60)), "paragraph": LONG, "chapter": cycle(["I", "II", "III"])},
        ("paragraph",),
        ("chapter",),
        C,
    ),
}
