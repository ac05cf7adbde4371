"""Hostile input by the thousand: each ends in a sentence, in bounded time and memory, or in the right picture."""
