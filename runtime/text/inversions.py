"""Textual inversions of several vectors: one word of the prompt that is read as several tokens.

The rule is diffusers' (`TextualInversionLoaderMixin.maybe_convert_prompt`): a word that the tokenizer finds as a token
is replaced in the text wherever its exact letters occur.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping


def expanded(text: str, tokens: Collection[str], vectors: Mapping[str, int]) -> str:
    """A text with the names of all vectors in the place of each word: `X` of three vectors becomes `X X_1 X_2`.

    Args:
        text: A prompt, or a part of one.
        tokens: The tokens of the text.
        vectors: Number of vectors by word; words are replaced in this order.
    """
    for word in (word for word in vectors if word in tokens):
        text = text.replace(word, " ".join([word, *(f"{word}_{number}" for number in range(1, vectors[word]))]))
    return text
