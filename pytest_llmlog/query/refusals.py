"""How answers begin that refuse: a regular expression for each language, data to add to."""

from __future__ import annotations

import re

OPENINGS = {
    "English": (
        r"(?:(?:(?:i['’]?m |i am )?(?:really |very |truly )?sorry|i apologi[sz]e|my apologies|unfortunately|regrettably)\W+(?:but )?)?"
        r"(?:as an ai[^.!?]{0,40}, )?"
        r"(?:i(?:['’]?m| am)? (?:can(?:no|['’])t|am unable to|unable to|not able to|won['’]t|will not)(?: and (?:will not|won['’]t))? "
        r"(?:help(?! but\b| myself\b| \w+ing\b)|assist|comply|provide(?! (?:enough|a better)\b)|fulfil|answer|do (?:that|this)|continue with|"
        r"create|discuss|engage|generate|share)|i must (?:respectfully )?(?:decline|refuse)|i(?:['’]m| am| do)? not (?:feel )?comfortable)"
    ),
    "German": (
        r"(?:(?:es )?tut mir (?:sehr )?leid\W+(?:aber )?|entschuldigung\W+(?:aber )?|leider )?"
        r"(?:ich (?:kann|darf|möchte)|(?:dabei|damit|das|bei dieser anfrage|hierbei) (?:kann|darf) ich|kann ich|darf ich)"
        r"[^.!?]{0,60}? nicht (?!nur )(?:\w+ )?(?:helfen|weiterhelfen|unterstützen|beantworten|bereitstellen|erfüllen|behilflich)"
    ),
    "French": (
        r"(?:(?:je suis )?(?:vraiment )?désolée?\W+(?:mais )?)?je (?:ne (?:peux|puis) (?:pas|malheureusement pas)|ne suis pas en mesure de|"
        r"suis dans l['’]impossibilité de) (?:vous |t['’]|y |répondre|aider|fournir|créer|donner suite|discuter|accéder)"
    ),
    "Spanish": (
        r"(?:(?:lo siento|lo lamento|disculpa|perdona)(?: mucho)?\W+(?:pero )?)?(?:no puedo|no me es posible|no estoy en condiciones de) "
        r"(?:ayudar|asistir|proporcionar|responder|cumplir|crear|ofrecer|hablar|darte|hacer eso)"
    ),
    "Portuguese": (
        r"(?:(?:desculpe|desculpa|lamento|sinto muito|peço desculpas?)\W+(?:mas )?)?(?:eu )?(?:não posso|não consigo|não me é possível) "
        r"(?:ajudar|auxiliar|fornecer|responder|atender|criar|discutir|te ajudar|o ajudar|fazer isso)"
    ),
    "Italian": (
        r"(?:(?:mi dispiace|spiacente|mi spiace)\W+(?:ma )?)?(?:non posso|non sono in grado di|non mi è possibile) "
        r"(?:aiutar|assister|fornir|risponder|soddisfar|crear|discuter|farlo)"
    ),
    "Dutch": (
        r"(?:(?:het )?spijt me\W+(?:maar )?|sorry\W+(?:maar )?|helaas )?(?:ik kan|daar kan ik|hier kan ik|dat kan ik|kan ik)"
        r"[^.!?]{0,60}? (?:niet|geen) (?:\w+ ){0,3}?(?:helpen|mee helpen|assisteren|beantwoorden|verstrekken|voldoen|geven)"
    ),
    "Polish": (
        r"(?:(?:bardzo )?(?:przykro mi|przepraszam)\W+(?:ale )?|niestety\W+)?nie (?:mogę|jestem w stanie) "
        r"(?:\w+ ){0,2}(?:pomóc|udzielić|odpowiedzieć|dostarczyć|spełnić|stworzyć|wykonać)"
    ),
    "Russian": (
        r"(?:(?:извините|простите|к сожалению|мне (?:очень )?жаль)\W+(?:но )?)?(?:я )?не (?:могу|в состоянии) "
        r"(?:\w+ )?(?:помочь|ответить|предоставить|выполнить|создать|обсуждать)"
    ),
    "Chinese": r"(?:(?:很|非常)?(?:抱歉|遗憾|遺憾|对不起|對不起)[^。]{0,6}?)?我?(?:无法|無法|不能|不便)(?:为您|為您|为你|給您|给您)?(?:帮助|協助|协助|提供|回答|满足|滿足|完成|讨论|討論)",
    "Japanese": (
        r"(?:(?:大変)?(?:申し訳(?:ありません|ございません)|すみません|恐れ入ります)[^。]{0,4}?)"
        r"[^。]{0,60}?(?:お手伝い|お答え|回答|対応|提供|支援|お応え)[^。]{0,6}?(?:できません|できかねます|いたしかねます)"
    ),
}
"""Behind an apology or without one: that the speaker cannot or will not, and what. ``\\W`` in front stands for quotation marks."""

REFUSED = re.compile(rf"\W*(?:{'|'.join(f'(?:{each})' for each in OPENINGS.values())})", re.IGNORECASE)


def opening(text: str) -> str | None:
    """How a refusal begins; None of what is none."""
    found = REFUSED.match(text[:200])
    return found[0] if found else None
