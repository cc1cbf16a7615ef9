"""Settings: from variables, checked, and wrong ones named."""

import re
from pathlib import Path

import pytest

from app.errors import SettingsError
from app.settings import PREFIX, Settings, read_settings
from app.settings_table import COMMAND, settings_page

PAGE = Path(__file__).parents[2] / "app" / "SETTINGS.md"


@pytest.fixture(autouse=True)
def _no_variables_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def test_every_setting_has_a_default_and_a_description() -> None:
    settings = read_settings({})
    assert settings.host == "127.0.0.1"
    for name, field in Settings.model_fields.items():
        assert field.description, name


def test_a_variable_sets_and_an_option_goes_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AISLE_PORT", "9000")
    monkeypatch.setenv("AISLE_CLOCK", "bundle")
    assert read_settings({}).port == 9000
    settings = read_settings({"port": 9001, "clock": None})
    assert (settings.port, settings.clock) == (9001, "bundle")


def test_an_unknown_variable_is_refused_with_the_closest_known_one() -> None:
    with pytest.raises(SettingsError, match=r"AISLE_PROT: did you mean AISLE_PORT\?"):
        read_settings({}, {"AISLE_PROT": "9000", "PATH": "/bin"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "many"), ("port", "70000"), ("clock", "moon"), ("max_batch", "0"), ("retrieve_depth", "201")],
)
def test_a_wrong_value_is_refused_with_name_and_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"AISLE_{name.upper()}", value)
    with pytest.raises(SettingsError, match=f"AISLE_{name.upper()}.*'{value}'"):
        read_settings({})


@pytest.mark.parametrize("name", ["drain_s", "held_body_mb", "body_timeout_s", "rate_per_key", "follow_s"])
@pytest.mark.parametrize("value", ["inf", "nan", "-inf"])
def test_no_number_is_without_end(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"AISLE_{name.upper()}", value)
    with pytest.raises(SettingsError, match=f"AISLE_{name.upper()}"):
        read_settings({})


@pytest.mark.parametrize("name", ["read_keys", "admin_keys", "cursor_secrets", "allowed_hosts"])
def test_a_list_of_blanks_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"AISLE_{name.upper()}", " , ")
    with pytest.raises(SettingsError, match=f"AISLE_{name.upper()}: expected at least one"):
        read_settings({})


def test_the_page_of_the_settings_is_what_the_code_says() -> None:
    assert PAGE.read_text("utf-8") == settings_page(), f"{PAGE} is not what app/settings.py says: {COMMAND}"


def test_the_page_has_every_setting_once_with_its_limits() -> None:
    page = settings_page()
    assert sorted(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == sorted(
        PREFIX + name.upper() for name in Settings.model_fields
    )
    assert "## Others" not in page
    for row in (
        "| `AISLE_PORT` | `8000` | whole number, at least 0, at most 65,535 |",
        "| `AISLE_CLOCK` | `wall` | `wall` or `bundle` |",
        "| `AISLE_REDIS_PASSWORD` |  | text, kept secret |",
        "| `AISLE_TIMEOUT_MS` | `1000` | number, more than 0 |",
    ):
        assert row in page
