"""Configuration: strict, with the nearest name for a wrong key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ctcpmon.config import Settings, load_settings
from ctcpmon.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def test_defaults() -> None:
    assert load_settings(None) == Settings()
    assert Settings().sensor == "local"


def test_a_site(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        '[site]\nname = "fra1"\n[[site.firewall]]\nname = "a"\nplatform = "asa"\n'
        "[limits]\nmax_flow_mib = 64\n"
    )
    settings = load_settings(path)
    assert settings.sensor == "fra1"
    assert settings.site.platforms == ("asa",)
    assert settings.limits.max_flow_mib == 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[sit]\n", "did you mean 'site'"),
        ("[site]\nnam = 'x'\n", "unknown key 'nam' in site; did you mean 'name'"),
        ("[limits]\nmax_flow_mb = 1\n", "did you mean 'max_flow_mib'"),
        ("[limits]\nmax_flow_mib = 0\n", "limits.max_flow_mib"),
        ("[site]\nname = 'a b'\n", "site.name"),
        ("= 1", "c.toml"),
        ('"\\u001b[2J" = 1', "x1b"),
    ],
)
def test_mistakes_are_one_clear_line(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert expected in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_missing_or_binary_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load_settings(tmp_path / "none.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load_settings(tmp_path / "b.toml")


def test_what_has_no_end_is_not_read_to_it() -> None:
    with pytest.raises(SettingsError, match="longer than 1,000,000 bytes"):
        load_settings("/dev/zero")
