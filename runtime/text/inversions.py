"""Textual inversions of several vectors: one word of the prompt that is read as several tokens.

The rule is diffusers' (`TextualInversionLoaderMixin.maybe_convert_prompt`): a word that the tokenizer finds as a token
is replaced in the text wherever its exact letters occur.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from latentlink.errors import UsageError

MAX_TEXT = 200_000
"""Most characters of a prompt whose words are written out: ten times the longest prompt."""


def expanded(text: str, tokens: Collection[str], vectors: Mapping[str, int]) -> str:
    """A text with the names of all vectors in the place of each word: `X` of three vectors becomes `X X_1 X_2`.

    Args:
        text: A prompt, or a part of one.
        tokens: The tokens of the text.
        vectors: Number of vectors by word; words are replaced in this order.

    Raises:
        UsageError: The result would be longer than `MAX_TEXT`, as a word may occur in what another one stands for.
    """
    for word in (word for word in vectors if word in tokens):
        names = " ".join([word, *(f"{word}_{number}" for number in range(1, vectors[word]))])
        length = len(text) + text.count(word) * (len(names) - len(word))
        if length > MAX_TEXT:
            raise UsageError(
                f"The prompt has {length} characters once {word!r} is written as its {vectors[word]} vectors; expected "
                f"at most {MAX_TEXT}.",
                remedy="Name it less often.",
            )
        text = text.replace(word, names)
    return text
