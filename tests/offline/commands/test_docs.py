"""The page of the commands is what the code says."""

import re
from pathlib import Path

import typer.main

from offline.cli import app
from offline.commands.docs import COMMAND, commands_page

PAGE = Path(__file__).parents[3] / "offline" / "COMMANDS.md"


def test_the_page_of_the_commands_is_what_the_code_says() -> None:
    assert PAGE.read_text("utf-8") == commands_page(), f"{PAGE} is not what the commands say: {COMMAND}"


def test_every_option_of_every_command_stands_there_as_it_is_typed() -> None:
    sections = re.split(r"^## ", commands_page(), flags=re.MULTILINE)[1:]
    shown = {section.split("\n", 1)[0]: section for section in sections}
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert list(shown) == list(commands)
    for name, command in commands.items():
        rows = re.findall(r"^\| ([^|]*) \|", shown[name], re.MULTILINE)[1:]
        options = [each for each in command.params if each.name != "help"]
        typed = [[each.metavar] if each.param_type_name == "argument" else each.opts for each in options]
        negated = [each.secondary_opts for each in options]
        expected = [", ".join(f"`{word}`" for word in (*own, *no)) for own, no in zip(typed, negated, strict=True)]
        assert rows == expected, name
