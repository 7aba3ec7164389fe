"""The tables that the guesses of roles, kind and metric are measured on; see made_tables."""

from __future__ import annotations

from tests.tasks.made_tables import Case, cycle, inside, made, texts

EN, DE, FR, ES = texts("en"), texts("de"), texts("fr"), texts("es")
LONG = texts("en", sentences=5)
YES = ["yes", "no"]
MOODS = ["angry", "calm", "happy"]
T, C, M, X, Q, G, N = (
    ("text",),
    "classification",
    "multilabel",
    "extraction",
    "question_answering",
    "generation",
    "number",
)

CASES: dict[str, Case] = {
    # a column with the name of an id, a date, a person as answer
    "key": Case({"text": EN, "key": cycle(["C major", "A minor"])}, T, ("key",), C),
    "no": Case({"sentence": EN, "no": cycle(["one", "two", "three"])}, ("sentence",), ("no",), C),
    "file": Case({"content": EN, "file": cycle(["memo", "bill", "cv"])}, ("content",), ("file",), C),
    "author": Case({"text": EN, "author": cycle(["Austen", "Dickens", "Eliot"])}, T, ("author",), C),
    "autor": Case({"texto": ES, "autor": cycle(["Lorca", "Cervantes"])}, ("texto",), ("autor",), C),
    "row": Case({"row": cycle(["stalls", "circle"]), "text": EN}, T, ("row",), C),
    "number words": Case({"text": EN, "number": cycle(["singular", "plural"])}, T, ("number",), C),
    "date in text": Case(
        {
            "note": [f"{t}, seen on {i % 28 + 1}.3.2024" for i, t in enumerate(EN)],
            "date": [f"{i % 28 + 1}.3.2024" for i in range(60)],
        },
        ("note",),
        ("date",),
        X,
    ),
    "id label": Case({"text": EN, "label_id": cycle([0, 1, 2])}, T, ("label_id",), C),
    "index first": Case({"index": list(range(60)), "text": EN, "grade": cycle(["A", "B"])}, T, ("grade",), C),
    "code of a diagnosis": Case({"note": EN, "code": cycle(["I10", "E11.9", "J45"])}, ("note",), ("code",), C),
    "path label": Case({"text": EN, "path": cycle(["inbox/bills", "inbox/offers", "inbox/spam"])}, T, ("path",), C),
    "url label": Case(
        {"text": EN, "page": cycle(["https://a.example/help", "https://a.example/pay"])}, T, ("page",), C
    ),
    "time label": Case({"text": EN, "slot": cycle(["8:00", "12:30", "17:15"])}, T, ("slot",), C),
    "author beside label": Case(
        {"text": EN, "topic": cycle(["home", "money"]), "author": cycle(["Ann", "Bob", "Cem"])}, T, ("topic",), C
    ),
    "user numbers the rows": Case(
        {"user_id": made(lambda i: f"u{i:04}"), "text": EN, "flag": cycle(YES)}, T, ("flag",), C
    ),
    "request numbers": Case(
        {"ref": made(lambda i: f"REQ-{i * 37 % 9973:05}"), "body": EN, "team": cycle(["it", "hr"])},
        ("body",),
        ("team",),
        C,
    ),
    # labels before and behind, short and long
    "label first": Case({"spam": cycle(["ham", "spam"]), "mail": EN}, ("mail",), ("spam",), C),
    "mood first": Case({"mood": cycle(MOODS), "what was said": EN}, ("what was said",), ("mood",), C),
    "one class": Case({"text": EN, "label": ["urgent"] * 60}, T, ("label",), C),
    "one class first": Case({"Kategorie": ["Lob"] * 60, "Nachricht": DE}, ("Nachricht",), ("Kategorie",), C),
    "one class unnamed": Case({"a": EN, "b": ["urgent"] * 60}, ("a",), ("b",), C),
    "names of codes": Case(
        {"text": EN, "label": cycle([0, 1]), "label_text": cycle(["neg", "pos"])}, T, ("label_text",), C
    ),
    "codes behind names": Case(
        {"text": EN, "label_name": cycle(["neg", "pos"]), "label": cycle([0, 1])}, T, ("label_name",), C
    ),
    "pairs": Case(
        {"premise": EN, "hypothesis": EN[::-1], "label": cycle(["entails", "neutral"])},
        ("premise", "hypothesis"),
        ("label",),
        C,
    ),
    "source and split": Case(
        {
            "text": EN,
            "sentiment": cycle(["pos", "neg"]),
            "source": cycle(["web", "app"]),
            "split": cycle(["train", "test"]),
        },
        T,
        ("sentiment",),
        C,
    ),
    "language column": Case(
        {"lang": cycle(["en", "de"]), "text": EN, "intent": cycle(["buy", "ask", "leave"])}, T, ("intent",), C
    ),
    # languages
    "german": Case({"Satz": DE, "Stimmung": cycle(["gut", "schlecht"])}, ("Satz",), ("Stimmung",), C),
    "german three": Case(
        {"Nr.": list(range(1, 61)), "Kundenanfrage": DE, "Zuständigkeit": cycle(["Technik", "Vertrieb"])},
        ("Kundenanfrage",),
        ("Zuständigkeit",),
        C,
    ),
    "german qa": Case({"Frage": DE, "Antwort": DE[::-1]}, ("Frage",), ("Antwort",), G),
    "french": Case(
        {"Phrase": FR, "Étiquette": cycle(["urgent", "normal"]), "Auteur": cycle(["Luc", "Anne"])},
        ("Phrase",),
        ("Étiquette",),
        C,
    ),
    "french mood": Case(
        {"avis": FR, "ressenti": cycle(["bon", "mauvais"]), "ville": cycle(["Lyon", "Nice", "Metz"])},
        ("avis",),
        ("ressenti",),
        C,
    ),
    "spanish": Case(
        {"consulta": ES, "departamento": cycle(["ventas", "soporte"])}, ("consulta",), ("departamento",), C
    ),
    "spanish qa": Case({"pregunta": ES, "respuesta": ES[::-1]}, ("pregunta",), ("respuesta",), G),
    "italian": Case({"recensione": texts("it"), "voto": cycle([1, 2, 3, 4, 5])}, ("recensione",), ("voto",), C),
    "portuguese": Case(
        {"categoria": cycle(["luz", "água"]), "mensagem": texts("pt")}, ("mensagem",), ("categoria",), C
    ),
    "dutch": Case({"tekst": texts("nl"), "klacht": cycle(["ja", "nee"])}, ("tekst",), ("klacht",), C),
    "polish": Case({"opinia": texts("pl"), "ocena": cycle(["dobra", "zła"])}, ("opinia",), ("ocena",), C),
    "russian": Case(
        {"Текст": texts("ru"), "Тональность": cycle(["плохо", "хорошо"])}, ("Текст",), ("Тональность",), C
    ),
    "russian yes": Case({"вопрос": texts("ru"), "верно": cycle(["да", "нет"])}, ("вопрос",), ("верно",), C),
    "turkish": Case({"cümle": texts("tr"), "etiket": cycle(["olumlu", "olumsuz"])}, ("cümle",), ("etiket",), C),
    "chinese": Case(
        {"编号": list(range(60)), "评论内容": texts("zh"), "情感倾向": cycle(["正面", "负面"])},
        ("评论内容",),
        ("情感倾向",),
        C,
    ),
    "chinese key": Case({"文本": texts("zh"), "作者": cycle(["鲁迅", "老舍"])}, ("文本",), ("作者",), C),
    "japanese": Case({"本文": texts("ja"), "分類": cycle(["苦情", "質問"])}, ("本文",), ("分類",), C),
    "japanese yes": Case({"文章": texts("ja"), "緊急": cycle(["はい", "いいえ"])}, ("文章",), ("緊急",), C),
    "korean": Case({"문장": texts("ko"), "감정": cycle(["긍정", "부정"])}, ("문장",), ("감정",), C),
    "arabic": Case({"النص": texts("ar"), "التصنيف": cycle(["شكوى", "سؤال"])}, ("النص",), ("التصنيف",), C),
    "hindi": Case({"वाक्य": texts("hi"), "श्रेणी": cycle(["शिकायत", "प्रश्न"])}, ("वाक्य",), ("श्रेणी",), C),
    "persian": Case({"متن": texts("fa"), "دسته": cycle(["خوب", "بد"])}, ("متن",), ("دسته",), C),
    # labels with marks in them
    "colon labels": Case(
        {"text": EN, "label": cycle(["Billing: refund", "Billing: invoice", "Tech: login"])},
        T,
        ("label",),
        C,
        "accuracy",
    ),
    "equals labels": Case({"text": EN, "label": cycle(["prio=high", "prio=low"])}, T, ("label",), C),
    "comma labels": Case({"text": EN, "label": cycle(["Fees, charges", "Cards, lost", "Other"])}, T, ("label",), C),
    "semicolon labels": Case(
        {"text": EN, "label": cycle(["Fees; charges", "Cards; lost", "Other"])}, T, ("label",), C
    ),
    "slash labels": Case({"text": EN, "label": cycle(["input/output", "on/off", "n/a"])}, T, ("label",), C),
    "bar labels": Case({"text": EN, "label": cycle(["a|b", "a|c", "d"])}, T, ("label",), C),
    "colon word in text": Case(
        {"text": [f"{t} refund" for t in EN], "label": cycle(["Billing: money", "Tech: login"])}, T, ("label",), C
    ),
    "sign labels": Case({"text": EN, "label": cycle(["+", "-", "="])}, T, ("label",), C),
    "ratio labels": Case({"text": EN, "label": cycle(["1:1", "2:1", "3:2"])}, T, ("label",), C),
    # several labels
    "python lists": Case(
        {"text": EN, "labels": cycle(["['a']", "['a', 'b']", "['b', 'c']", "[]"])}, T, ("labels",), M, "micro_f1"
    ),
    "json lists": Case({"text": EN, "tags": cycle(['["a"]', '["a", "b"]', '["c"]'])}, T, ("tags",), M),
    "numpy lists": Case({"text": EN, "tags": cycle(["['a']", "['a' 'b']", "['c']"])}, T, ("tags",), M),
    "bare lists": Case({"text": EN, "tags": cycle(["[noise]", "[noise, smell]", "[water]"])}, T, ("tags",), M),
    "sets": Case({"text": EN, "tags": cycle(["{'noise'}", "{'noise', 'smell'}", "{'water'}"])}, T, ("tags",), M),
    "semicolons": Case(
        {"text": EN, "what": cycle(["noise", "noise; smell", "smell; water", "water"])}, T, ("what",), M
    ),
    "commas": Case(
        {"text": EN, "topics": cycle(["noise", "noise, smell", "smell, water", "water"])}, T, ("topics",), M
    ),
    "chinese commas": Case(
        {"文本": texts("zh"), "标签": cycle(["噪音", "噪音、气味", "气味", "漏水、噪音"])}, ("文本",), ("标签",), M
    ),
    "real lists": Case({"text": EN, "labels": cycle([["a"], ["a", "b"], []])}, T, ("labels",), M),
    # numbers
    "prices": Case(
        {"text": EN, "price": made(lambda i: f"{i * 7919 % 1000}.50")}, T, ("price",), N, "number_match"
    ),
    "german prices": Case(
        {"Text": DE, "Betrag": made(lambda i: f"{i * 7919 % 1000},50 €")}, ("Text",), ("Betrag",), N
    ),
    "spaced thousands": Case(
        {"text": EN, "cost": made(lambda i: f"{i % 9 + 1} {i * 7919 % 1000:03}")}, T, ("cost",), N
    ),
    "swiss thousands": Case(
        {"text": EN, "cost": made(lambda i: f"{i % 9 + 1}'{i * 7919 % 1000:03}.00")}, T, ("cost",), N
    ),
    "percent": Case({"text": EN, "share": made(lambda i: f"{i * 37 % 101} %")}, T, ("share",), N),
    "price first": Case({"price": made(lambda i: i * 7919 % 1000), "text": EN}, T, ("price",), N),
    "ages": Case({"text": texts("en", 400), "age": cycle(list(range(18, 70)), 400)}, T, ("age",), N),
    "class numbers": Case({"text": texts("en", 400), "label": cycle(list(range(30)), 400)}, T, ("label",), C),
    "stars": Case({"review": EN, "stars": cycle([1, 2, 3, 4, 5])}, ("review",), ("stars",), C),
    "half steps": Case(
        {"review": EN, "rating": cycle(["0.0", "0.5", "1.0", "1.5"])}, ("review",), ("rating",), C, "accuracy"
    ),
    # free answers
    "question answer": Case({"question": EN, "answer": LONG}, ("question",), ("answer",), G, "rouge_l"),
    "answer question": Case({"answer": LONG, "question": EN}, ("question",), ("answer",), G),
    "alpaca": Case(
        {"instruction": EN, "input": [""] * 30 + DE[:30], "output": LONG}, ("instruction", "input"), ("output",), G
    ),
    "prompt completion": Case({"prompt": EN, "completion": LONG}, ("prompt",), ("completion",), G),
    "summary": Case({"article": LONG, "summary": EN}, ("article",), ("summary",), G),
    "summary first": Case(
        {"Zusammenfassung": DE, "Artikel": texts("de", sentences=6)}, ("Artikel",), ("Zusammenfassung",), G
    ),
    "translation": Case({"en": EN, "de": DE}, ("en",), ("de",), G, "chrf"),
    "translation by script": Case({"a": EN, "b": texts("ru")}, ("a",), ("b",), G, "chrf"),
    "translation named": Case({"source": EN, "translation": ES}, ("source",), ("translation",), G, "chrf"),
    "word definition": Case(
        {"term": made(lambda i: f"term{chr(97 + i % 26)}{i}"), "definition": EN}, ("term",), ("definition",), G
    ),
    # parts of the text
    "qa in context": Case(
        {"context": EN, "question": made(lambda i: f"what happened in {i}?"), "answer": inside("en")},
        ("context", "question"),
        ("answer",),
        Q,
    ),
    "entities": Case(
        {"sentence": EN, "entities": [f"THING: {t.split()[1]}" for t in EN]},
        ("sentence",),
        ("entities",),
        X,
        "entity_f1",
    ),
    "slots": Case(
        {"utterance": EN, "slots": [f"object={t.split()[1]}; state={t.split()[-1]}" for t in EN]},
        ("utterance",),
        ("slots",),
        X,
        "slot_f1",
    ),
    "aspects": Case(
        {
            "review": EN,
            "aspects": [f"{' '.join(t.split()[2:5])}: {'good' if i % 3 else 'bad'}" for i, t in enumerate(EN)],
        },
        ("review",),
        ("aspects",),
        X,
        "token_f1",
    ),
    "number in text": Case(
        {"text": [f"{t} ({1000 + 37 * i})" for i, t in enumerate(EN)], "number": made(lambda i: 1000 + 37 * i)},
        T,
        ("number",),
        N,
    ),
    "time in text": Case(
        {"text": [f"{t} at {i % 12}:{i:02}" for i, t in enumerate(EN)], "time": made(lambda i: f"{i % 12}:{i:02}")},
        T,
        ("time",),
        X,
    ),
    "few rows": Case({"text": EN[:6], "label": ["good", "bad"] * 3}, T, ("label",), C),
    "few rows unnamed": Case({"x1": EN[:8], "x2": ["good", "bad"] * 4}, ("x1",), ("x2",), C),
    "many columns": Case(
        {
            "Ticket": made(lambda i: f"T{i:05}"),
            "Created": made(lambda i: f"2024-03-{i % 28 + 1:02} 08:{i:02}"),
            "Agent": cycle(["Kim", "Lee", "Moe"]),
            "Subject": texts("en", start=400),
            "Body": LONG,
            "Category": cycle(["it", "hr", "fm"]),
        },
        ("Subject", "Body"),
        ("Category",),
        C,
    ),
}
