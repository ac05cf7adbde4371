"""Texts that tokenizers disagree on: a table of single difficulties, and seeded mixtures of them."""

from __future__ import annotations

from random import Random

# fmt: off
PIECES: tuple[str, ...] = (
    # nothing, and every kind of white space
    "", " ", "  ", "\t", "\n", "\r\n", "\x0b\x0c", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f",
    "\u3000", "\u200b", "\ufeff", "\u2060", "\u00ad",
    # control characters, the replacement character, non-characters, private use
    "\x00", "\x01\x02", "\x1b[0m", "\x7f", "\ufffd", "\ufffe", "\U0010ffff", "\ue000", "\U000f0000",
    # accents, composed and decomposed, in one order and the other
    "café", "cafe\u0301", "e\u0301\u0323", "e\u0323\u0301", "ñ", "n\u0303", "Å", "\u212b", "ǅ", "ŉ", "ΐ", "ﷺ",
    # case that changes the number of letters or depends on the language
    "İstanbul", "ıI", "ẞß", "ΣΑΣ", "ﬁ ﬂ", "Ｆｕｌｌ", "Ⅳ", "ÀÉÎ",
    # scripts
    "日本語の文章", "中文", "한국어", "\u1112\u1161\u11ab", "ไทย", "नि क्षि", "தமிழ்", "עברית", "مرحبا", "Ελληνικά",
    "Привет", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "𒀀", "\u202eabc\u202c", "\u200fא\u200e", "ᠮᠣᠩ",
    # emoji: joined, with skin tones, variation selectors, flags, keycaps
    "👩‍👩‍👧‍👦", "👍🏽", "❤️", "❤", "🏳️‍🌈", "🇩🇪", "🇩🇪🇫🇷", "1️⃣", "🧑🏿‍🚀", "\u200d",
    # numbers
    "0", "1234567890", "3.14", "1,000.50", "-7", "1e-8", "½", "²", "١٢٣", "四", "𝟘", "4k", "8K UHD", "16:9", "f/1.4",
    # contractions, with both apostrophes and in capitals
    "it's", "It'S", "don't", "we'll", "I'd", "you've", "they're", "I'm", "'tis", "it’s", "'", "''", "'s", "'sx",
    # punctuation and symbols
    "...", "…", "!!!", "?!", "--", "—", "&amp;", "&lt;b&gt;", "a_b", "__init__", "#tag", "@user", "a/b\\c",
    "“quoted”",
    "«x»", "$5", "€5", "100%", "(a:1.3)", "((b))", "[c]", "{d|e}", "\\(f\\)", "<lora:x:1>", "http://a.b/c?d=e#f",
    "°", "™",
    # what is special to a tokenizer, and what only looks so
    "<|startoftext|>", "<|endoftext|>", "<|EndOfText|>", "<|endoftext|", "< |endoftext|>", "</s>", "<s>", "<pad>",
    "<unk>", "</ s>", "<extra_id_0>", "<extra_id_99>", "<extra_id_100>", "<Extra_Id_0>", "</w>", "x</w>", "▁", "▁x",
    "Ġ", "Ġthe", "##ing",
    # words
    "a", "A", "the", "photograph", "lighthouse", "CamelCase", "antidisestablishmentarianism", "zzzzqqqq",
    "masterpiece,",
)  # fmt: on
"""One difficulty each."""

LONG = ("a" * 5000, "ab " * 900, "👍" * 400, "日" * 600, " " * 3000, "<|endoftext|>" * 120, "e\u0301" * 700, "1" * 1000)


def hard_texts(count: int) -> list[str]:
    """That many texts, all different and always the same: the pieces, the long ones, then mixtures."""
    random = Random(0)
    texts = dict.fromkeys((*PIECES, *LONG))
    while len(texts) < count:
        parts = random.choices((*PIECES, _letter(random), _letter(random)), k=random.randint(2, 24))
        texts[random.choice(("", " ", " ", ", ")).join(parts)] = None
    return list(texts)[:count]


def _letter(random: Random) -> str:
    """Any code point but the surrogates."""
    code = random.choice((random.randrange(0x250), random.randrange(0x3000), random.randrange(0x110000 - 0x800)))
    return chr(code if code < 0xD800 else code + 0x800)
