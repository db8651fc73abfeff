"""Which language a text is in, as far as its script or its commonest words tell."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

SAMPLE = 2000
"""Characters looked at."""

WORDS = {
    "English": "the of and to in is that for it with as are on this was you not have from by",
    "German": "der die und in den von zu das mit sich des auf für ist im nicht ein eine als auch",
    "French": "le la les des et en du que est une dans pour qui sur pas au avec sont vous ce",
    "Spanish": "el los las y que en una por con para es del se no su como más pero está al",
    "Portuguese": "o os as e que em uma por com para é do da não se no como mais mas são",
    "Italian": "il di che è e la per un una in non sono con del si le gli della come più",
    "Dutch": "de het een en van in is dat op te zijn met voor niet aan er om ook als bij",
    "Polish": "i w na nie się z do że jest to o jak przez dla po są ale od przy oraz",
}
"""The commonest words of languages in Latin script."""

_VOTES: dict[str, list[str]] = {}
for _language, _words in WORDS.items():
    for _word in _words.split():
        _VOTES.setdefault(_word, []).append(_language)

LEAST_WORDS = 4
"""So many of a language's words must be there, and twice as many as of any other."""


def language(text: str) -> str | None:
    """The language, or the script where that is not Latin; None when it does not show."""
    sample = text[:SAMPLE]
    scripts = Counter(unicodedata.name(char, "").partition(" ")[0] for char in sample if char.isalpha())
    if not scripts:
        return None
    script, _ = scripts.most_common(1)[0]
    if script != "LATIN":
        return script.capitalize()
    votes = Counter(each for word in re.findall(r"\w+", sample.lower()) for each in _VOTES.get(word, ()))
    ranked = votes.most_common(2)
    if not ranked or ranked[0][1] < LEAST_WORDS:
        return None
    return None if len(ranked) > 1 and ranked[1][1] * 2 > ranked[0][1] else ranked[0][0]
