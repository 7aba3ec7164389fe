# ruff: noqa: E501 - one language a line
"""What text of a language looks like: its letters beyond ASCII from the commonest on, and its commonest short words.

Enough to tell which legacy encoding a text is in: the right one gives letters of one language, in words that exist.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Alphabet:
    """`letters`: lower case, beyond ASCII, commonest first. `words`: lower case."""

    letters: str
    words: frozenset[str]


_TABLE = """
en|éïèöüôçñâêáæàóíëœåûùø|the of and to in is that it for was on with as be at by this not are you have from
fr|éèàêçîùôûœâïëüæÿñö|le la les de des du et est un une que qui dans pour pas sur au ne se il ce à où a été très je vous
de|üäößéèàâôç|der die das und ist in zu den nicht von mit ein eine auf für im sich des dem wird über auch sind bei
es|óáíñéúüç|el la los las de que y en un una es no se por con para del al lo está más como pero muy hay
pt|ãçáéíõóúêâàôüè|o a os as de que e em um uma é não se por com para do da no na mais como está já são foi
it|èàùòéìîó|il la le lo di che e in un una è non per con del della si più sono gli al da ha nel come alla
ca|àóéèíïçúòü|el la els les de que i en un una és no es per amb del al més com són aquest
gl|óáíúñéïü|o a os as de que e en un unha é non se por con para do da no na máis como
eu|ñü|eta da ez bat du dira egin izan den hau baina edo oso
da|åæøéü|og i at det er en til på som med for af ikke den har de et kan du skal vi var
sv|äåöéü|och i att det är en som på av för med den inte har de till ett om kan du ska var
nb|åøæéôòó|og i det er å en til på som med for av ikke den har de et kan du skal vi var
fi|äöåéšž|ja on ei se että hän oli ovat mutta kun tai myös niin voi joka kanssa olla
nl|ëéïèöüêáó|de het een en van in is dat op te zijn met voor niet aan er ook als bij uit deze
is|íðáþóöúæéý|og að í er á sem til við það ekki en um var með af ég hún hann
ga|áíéúó|an na agus ar is i le a go do tá sé ní bhí leis
et|äõüöšž|ja on ei see et oma mis kui ka ta oli või aga mida siis
sq|ëç|dhe të në i e për me nga një që është si nuk ka janë
pl|łężąśćóńźé|i w na z do nie się że jest to o jak po co dla od za ale czy przez są już przed
cs|íáěžéčřšýůúňďťóö|a v je se na to že s z do o k i pro ale jako by od po za při nebo jsem není byl
sk|áíčéžšťýúľôňďóäĺŕ|a v je sa na to že s z do o k i pre ale ako by od po za pri alebo som nie bol
hu|éáőöóíüúű|a az és hogy nem is egy van meg ez csak de már vagy mint lesz kell volt be
ro|ăîâșțşţ|și şi de la în a cu nu că pe un o din este care mai să pentru sau fi
hr|šžčćđ|i u je se na da za od su s ne to koji a o kao nije će što ili iz do bi
sl|čšž|in je v na se da za so z ne pa ki s po od to tudi kot ali bi ni
tr|ıüçğşöâîû|ve bir bu da de için ile ne çok o gibi var daha en kadar mi olarak değil her
az|əıüşçğö|və bir bu da də üçün ilə nə çox o kimi var daha ən
lt|šųžėįąūčę|ir yra į kad su o tai ne iš bet kaip už nuo ar po jis buvo per prie
lv|āīēšūļņģžķčŗ|un ir uz ar no kas par bet kā ka tas pie vai arī nav bija pēc
vi|đưàáậạóôợếêảãểệộốẩớờọịấỷữủỉổửâặềắựìơăíùụúầẽằỗýẫứồỏởũéòừõèỳẵị̃̀́̉̃|và là của có không được cho một các trong với này khi sau theo hay ngay nhanh tin thay con nhau trên tôi bạn
ru|оеиантслрвдпкмыуьбйзячжгшцхюфэщёъ|и в не на что с как по это для из но к у от за он его она или так же мы
uk|оаниівтерскдлмупьязгбчйхжєїшщюцфґ|і в не на що з як та у до це для за від але його вона або так ми про
bg|аоеинтсрвлдпкмзъбягучйжхцшщюфь|и в на за се не да от с че е по са си като но до през това или
be|аніелыксряптцдьвмозубэўчгшйхжюфё’|і ў не на што з як та у да гэта для за ад але яго яна або так мы
sr|аиоентсрвдкмлупјбзгчжњшљхцћђфџ|и у је се на да за од су с не то који а о као није ће што
mk|аоеитнрсвдкплмузјбгчшжцхњќфџљѓѕ|и во на се да за од со не е што ќе ги го како или по
el|αοιετσνηυρπκμλςίόάέγδήωχύθφώβξζψϊϋΐΰ|και το να η ο του της για με που τα από είναι στο δεν θα την οι των σε στη
he|יוהלאתרמבשנדחקעםפסגצטכזןףךץ|של את על לא הוא זה היא אני עם כי גם כל אם מה
ar|اليمنرتوهبدةعفسكقحجىأشصطخضذثزغظئءإؤآًّ|في من على أن إلى هذا ما لا التي عن مع كان هو أو كل بعد ان
fa|ايیرندمهوتبشسکكزلگفخحقپآعجصطغچذضظثژئءأؤ‌|و در به از که این را با است برای آن يک یک بر تا هم بود شود ها هر
ur|ایرکنموتلےبںہدسھئجفخقپٹگشظعحزصٓڈطچضغءثڑ|کے میں کی ہے اور سے کا کو اس کہ پر یہ نہیں
th|านรอกเงมยลวดทสตะปหคจบพชขใถไผธณซโศฟญภษฐแฉฤ่ั้ีิ็์ุูึืำๆ|
"""


def _read_table() -> dict[str, Alphabet]:
    alphabets = {}
    for line in _TABLE.strip().splitlines():
        code, letters, words = line.split("|")
        alphabets[code] = Alphabet(letters, frozenset(words.split()))
    return alphabets


ALPHABETS = _read_table()
