#!/usr/bin/python3
"""Writes wasm/tfidf/testdata/golden.json: what scikit-learn's TfidfVectorizer makes of notes invented for this project.

Run with a Python that has scikit-learn 1.2.1 (Debian 12's /usr/bin/python3):

    /usr/bin/python3 tools/encoder/tfidf_goldens.py

Each case holds the settings, the vocabulary, how many notes hold each term, and per note its terms (places in the
vocabulary) and values. The values are computed with each idf rounded to float32, as bundles store it, so that they can
be compared to the last digits; "widest" is the largest difference that this rounding makes. "stop_words" is the
SHA-256 of scikit-learn's English list, sorted, a word a line.
"""

import hashlib
import json
import pathlib

import numpy as np
import sklearn
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

OUT = pathlib.Path(__file__).parents[2] / "wasm" / "tfidf" / "testdata" / "golden.json"

NOTES = [
    "62-year-old woman with chest pain, chest pressure and pain in the left arm since this morning.",
    "Chest X-ray: no effusion. No pneumothorax. The heart is not enlarged.",
    "Knee arthroscopy: medial meniscus tear trimmed; the anterior cruciate ligament was intact.",
    "PLAN:\t1) amoxicillin 500 mg\t2) recheck in 10 days\r\n3) call if fever > 38.5",
    "Fièvre à 39 °C depuis trois jours, douleur à l'épigastre, œdème léger.",
    "Paciente de 54 AÑOS con disnea; niega tos. Alérgica a la penicilina.",
    "Übelkeit und Schwäche seit gestern, Größe 1,70 m, Straße nass, STRASSE trocken.",
    "decomposed marks: cafe\u0301, nai\u0308ve, fie\u0300vre; composed ones: caf\u00e9, na\u00efve, fi\u00e8vre",
    "患者は三日前から発熱と咳がある。体温38.5℃、血圧１２０／８０。",
    "환자는 어제부터 두통과 발열이 있다.",
    "مريض يشكو من ألم في الصدر منذ ٣ أيام ﷺ",
    "Пациент жалуется на боль в груди, Ёлка, Й.",
    "ΟΔΟΣ και ΠΟΝΟΣ στο ΣΤΗΘΟΣ. Σ",
    "feels better today 😀 thanks 👍🏽👍🏽 took meds 💊 x2 👩\u200d⚕️ called",
    "hb_a1c 7.2, eGFR_ckd 58, __note__ _ a_b x_1 x_1 x_1",
    "don't lift; patient's wife says he won't, can't, couldn't sleep. O'Brien o\u2019clock",
    "non\u00a0breaking\u00a0spaces, thin\u2009space, ideographic\u3000space, zero\u200bwidth",
    "pain pain pain Pain PAIN pain pain pain, pain! pain? pain pain pain pain pain pain pain",
    "a I b c 1 2 3 x y z q",
    "an of the and to with in on at is was",
    "",
    " \t\r\n ",
    "!!! ... --- ???",
    "½ tablet, 5 µg, x² Ⅳ ① ﬁbrillation eﬀusion ﬂutter Ǆ İzmir ıgdır",
    "supercalifragilistic pneumonoultramicroscopicsilicovolcanoconiosis",
    "BP 120/80 mmHg HR 72 bpm RR 16 SpO2 98% on room air T 36.6 C",
    "Cold cold COLD hands: the cold, cold hands; cold\u0301 hands are cold hands.",
    "line one\x0bline two\x0cline three\x1cline four\x85line five\u2028line six\x00end",
]

CASES = [
    dict(analyzer="word", ngram_range=(1, 2), stop_words="english", sublinear_tf=True, strip_accents="unicode"),
    dict(analyzer="word", ngram_range=(1, 2)),
    dict(analyzer="word", ngram_range=(2, 3), stop_words="english", norm=None, strip_accents="unicode"),
    dict(analyzer="word", ngram_range=(1, 1), lowercase=False, sublinear_tf=True, norm=None),
    dict(analyzer="word", ngram_range=(1, 1), lowercase=False, stop_words="english"),
    dict(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, strip_accents="unicode"),
    dict(analyzer="char_wb", ngram_range=(1, 4)),
    dict(analyzer="char_wb", ngram_range=(2, 2), lowercase=False, norm=None),
    dict(analyzer="char_wb", ngram_range=(2, 2), lowercase=False, sublinear_tf=True, strip_accents="unicode"),
    dict(analyzer="char_wb", ngram_range=(1, 1), norm=None, strip_accents="unicode"),
]


def block(settings):
    """The settings as a manifest spells them."""
    return {
        "lowercase": settings.get("lowercase", True),
        "strip_accents": settings.get("strip_accents") or "",
        "analyzer": settings["analyzer"],
        "min_n": settings["ngram_range"][0],
        "max_n": settings["ngram_range"][1],
        "stop_words": settings.get("stop_words") or "",
        "sublinear_tf": settings.get("sublinear_tf", False),
        "norm": settings.get("norm", "l2") or "",
    }


def case(settings):
    vectorizer = TfidfVectorizer(dtype=np.float64, smooth_idf=True, **settings)
    exact = vectorizer.fit_transform(NOTES)
    vectorizer.idf_ = vectorizer.idf_.astype(np.float32).astype(np.float64)
    rounded = vectorizer.transform(NOTES)
    rounded.sort_indices()
    rows = [rounded[i] for i in range(len(NOTES))]
    return {
        "settings": block(settings),
        "vocabulary": list(vectorizer.get_feature_names_out()),
        "df": np.diff(exact.tocsc().indptr).tolist(),
        "widest": float(abs(exact - rounded).max()),
        "columns": [r.indices.tolist() for r in rows],
        "values": [[float(f"{v:.13g}") for v in r.data] for r in rows],
    }


def main():
    OUT.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(case(c), separators=(",", ":")) for c in CASES)
    stop_words = hashlib.sha256("\n".join(sorted(ENGLISH_STOP_WORDS)).encode()).hexdigest()
    head = json.dumps({"scikit-learn": sklearn.__version__, "stop_words": stop_words, "notes": NOTES}, indent=0)[:-2]
    OUT.write_text(f'{head},\n"cases": [\n{lines}\n]}}\n', encoding="ascii")


main()
