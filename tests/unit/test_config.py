"""Configuration: strict, with the nearest name for a wrong key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ctcpmon.config import Settings, load_settings
from ctcpmon.errors import SettingsError
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("text", ["a = " + "[" * 5_000, "a = " + "{b = " * 3_000])
def test_what_lies_too_deep_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deep.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match="lists or tables lie too deep inside each other"):
        load_settings(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("site = 1", "site: expected a table, got a whole number"),
        ("[limits]\nmax_flow_mib = 0", "limits.max_flow_mib: expected a whole number >= 1"),
        ('[[site.firewall]]\nname = "a b"', "site.firewall[0].name: expected text matching regex"),
        ("[site]\nname = true", "site.name: expected text, got true or false"),
    ],
)
def test_the_words_are_those_of_the_file(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}: {said}")
    assert "`" not in str(caught.value)


def test_a_mark_at_the_beginning_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b'\xef\xbb\xbf[site]\r\nname = "x"\r\n')
    assert load_settings(path).sensor == "x"


KEYS = st.sampled_from(
    ["site", "limits", "keys", "outputs.file", "site.firewall", "name", "path", "max_flow_mib", "x"]
)
VALUES = st.sampled_from(
    ["1", "-1", "nan", "true", '"a"', '"\\u001b"', "[]", "[[[1]]]", "{}", "{a = {}}", "1979-05-27", "'"]
)
LINES = st.one_of(
    st.builds("[{}]".format, KEYS),
    st.builds("[[{}]]".format, KEYS),
    st.builds("{} = {}".format, KEYS, VALUES),
    st.text(max_size=20),
)


@given(st.lists(LINES, max_size=8).map("\n".join))
def test_any_text_is_settings_or_one_clean_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    said = ""
    try:
        load_settings(path)
    except SettingsError as error:
        said = str(error)
    assert said.isprintable()
