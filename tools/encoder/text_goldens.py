#!/usr/bin/python3
"""Writes wasm/text/testdata: what Python and scikit-learn make of text, for package text to agree with.

Run with a Python that has scikit-learn 1.2.1 (Debian 12's /usr/bin/python3):

    /usr/bin/python3 tools/encoder/text_goldens.py

notes.json holds texts with their four normalizations. codepoints.json covers every code point that Python's Unicode
version assigns: ranges, and for each block of 256 a digest of each property over the block's assigned code points.
"""

import hashlib
import json
import pathlib
import re
import unicodedata

import sklearn
from sklearn.feature_extraction.text import strip_accents_unicode

OUT = pathlib.Path(__file__).parents[2] / "wasm" / "text" / "testdata"

NOTES = [
    "",
    "Pt. alert & oriented x3; BP 120/80, HR 72.",
    "tabs\tand\r\nlines\x0b\x0c\x1c\x1d\x1e\x1f\x00 end",
    "Fièvre à 39 °C, œdème du genou; naïve à l'amoxicilline",
    "Señora de 63 AÑOS con disnea. ÜBELKEIT und Schwäche, Größe 1,70 m, STRASSE ẞ ß",
    "decomposed: fie\u0300vre, cafe\u0301, e\u0302\u0323 and e\u0323\u0302, lone \u0301 mark",
    "İSTANBUL İ ıI Iı DİYARBAKIR",
    "ΟΔΟΣ ΟΔΟΣ. ΟΔΟΣ.ΑΒ Σ ΣΣ ΣΑΣ ΑΣ1 ΑΣ'Σ ΑΣ\u00ad Α\u0301Σ\u0301 ΑΣ\u0301Β 1Σ \u02b0Σ ⓐΣ ªΣ ᴬΣ",
    "Σ", "ΑΣ", "ΑΣ:", "ΑΣ:Α", "Α:Σ", "Α..\u2019..Σ..\u2019..", "😀Σ", "𐐀Σ", "Σ𐐀Σ",
    "ΆΈΉΊΌΎΏ ΐΰ ᾼ ᾈ ΑΫ\u0345",
    "ﬁbrillation, eﬀusion, oﬃce, ﬄuﬀy, ﬆent Ǆ ǅ ǆ Ĳ ŉ",
    "한국어 환자 ᄒ\u1161\u11ab 각 힣",
    "السلام ﷺ ﷲ ﻻ ﺀ مُحَمَّد ١٢٣ ۴۵۶",
    "日本語の患者 発熱 38.5℃ ガギグ ｶﾞｷﾞ か\u3099 ㍿ ㎎ ㏄ ① Ⅳ ⅳ ⅷ",
    "temperature 38½ °F, 5 µg, 5 μg, x² y₃, ½ ⅔ ¾",
    "nbsp\u00a0here, thin\u2009space, ideographic\u3000space, line\u2028sep para\u2029sep, nel\u0085end",
    "zero\u200bwidth, joiner\u200dhere, bom\ufeff, soft\u00adhyphen, rtl \u202eabc\u202c",
    "diaeresis ¨ acute ´ cedilla ¸ macron ¯ dot ˙ ring ˚",
    "emoji 😀👍🏽 👩‍⚕️ 🇩🇪 ❤️ ⚕",
    "math 𝐀𝑏𝒞𝔡 𝟘𝟙𝟚 ℌℍ Å Å K K Ω Ω",
    "Ｆｕｌｌｗｉｄｔｈ　ＡＢＣ　１２３ ＿",
    "हिन्दी रोगी क्षि ก้ำ ລາວ ཀྵ བོད བཱ\u0f71\u0f72 ᬒ",
    "ЁЖИК Й й И\u0306 Ґ Ї Ѓ ԀԂ Ꙋ Ა ა Ⴀ ⴀ Ꭰ ꭰ",
    "\u1e9b\u0323 \u0344 \u0340\u0341 \u2126 \ufb1f \ufb2c \U0001d15e \U0002f800 \ufa0e \uf900",
    "replacement \ufffd stays, noncharacter \uffff too, private \ue000 and \U0010ffff",
    "a_b __init__ x_1 don't O'Brien o’clock well-being",
]


def codepoints():
    """Every assigned code point that is not private use and not a surrogate."""
    return [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Co", "Cs")]


def ranges(points):
    out = []
    for c in points:
        if out and out[-1][1] + 1 == c:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


WORD = re.compile(r"(?u)\w")


def properties(c):
    """What the digests cover, each as text: the order is the order of names in codepoints.json."""
    s = chr(c)
    return [
        s.lower(),
        strip_accents_unicode(s),
        strip_accents_unicode(s.lower()),
        "1" if WORD.match(s) else "0",
        # split() and isspace() share one table
        "1" if s.isspace() and not s.split() else "0",
        # how a sigma ends tells whether s is cased, and whether it is case-ignorable
        ("1" + s + "Σ").lower()[-1] + ("a" + s + "Σ").lower()[-1] + ("aΣ" + s).lower()[1] + ("aΣ" + s + "a").lower()[1],
    ]


def digest(texts):
    """The first four bytes of the SHA-256 of the texts, each followed by a zero byte."""
    return hashlib.sha256(b"".join(t.encode() + b"\0" for t in texts)).hexdigest()[:8]


def write(name, value, **layout):
    (OUT / name).write_text(json.dumps(value, **layout) + "\n", encoding="ascii")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    origin = {"unicode": unicodedata.unidata_version, "scikit-learn": sklearn.__version__}

    notes = [
        {"text": s, "lower": s.lower(), "strip": strip_accents_unicode(s), "both": strip_accents_unicode(s.lower())}
        for s in NOTES
    ]
    write("notes.json", {"origin": origin, "notes": notes}, indent=1)

    points = codepoints()
    blocks = {}
    for c in points:
        blocks.setdefault(c >> 8, []).append(properties(c))
    digests = {f"{b:x}": " ".join(digest(column) for column in zip(*rows)) for b, rows in blocks.items()}
    assigned = " ".join(f"{a:x}-{b:x}" for a, b in ranges(points))
    names = ["lower", "strip", "lower+strip", "word", "space", "sigma"]
    write("codepoints.json", {"origin": origin, "assigned": assigned, "names": names, "blocks": digests}, indent=0)


main()
