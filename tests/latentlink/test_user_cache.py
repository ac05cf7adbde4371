"""Where the user's cache is."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentlink.errors import UsageError
from latentlink.user_cache import user_cache


@pytest.mark.parametrize("named", [None, "", "relative/folder"])
def test_the_cache_is_in_the_home_unless_a_folder_is_named(named: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("XDG_CACHE_HOME", named or "")
    if named is None:
        monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_cache() == Path("/home/someone/.cache/latentlink")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/someone")
    assert user_cache() == Path("/var/cache/someone/latentlink")


def test_a_user_without_a_home_has_to_name_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(UsageError, match="XDG_CACHE_HOME"):
        user_cache()
