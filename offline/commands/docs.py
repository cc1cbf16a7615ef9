"""The commands of the job as a page of Markdown: `python -m offline.commands.docs > offline/COMMANDS.md`."""

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final, get_args, get_origin

from typer.models import ArgumentInfo, OptionInfo

from offline.cli import app

COMMAND: Final = "make docs"
"""What renews the page."""
_INTRODUCTION: Final = f"""# Commands of the job

`aisle-offline COMMAND --help` says the same. Progress goes to standard error; a result is the last line of standard
output, as JSON. An intended error is one line on standard error and exit code 1.

This page is made from the code by `{COMMAND}`; a test fails where it says something else.
"""


def commands_page() -> str:
    """The page, with a section a command, in the order of `aisle-offline --help`."""
    commands = [
        (command.name or "", command.callback) for command in app.registered_commands if command.callback is not None
    ]
    return "\n".join([_INTRODUCTION, *(line for name, callback in commands for line in _section(name, callback))])


def _section(name: str, callback: Callable[..., Any]) -> Iterator[str]:
    yield f"## {name}\n"
    yield inspect.getdoc(callback) or ""
    yield "\n| option | default | meaning |"
    yield "|---|---|---|"
    for parameter in inspect.signature(callback).parameters.values():
        cells = (_spelled(parameter), _default(parameter), _meaning(_option_of(parameter)))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _option_of(parameter: inspect.Parameter) -> OptionInfo | ArgumentInfo:
    """What the annotation tells of an option."""
    options = [option for option in get_args(parameter.annotation) if isinstance(option, OptionInfo | ArgumentInfo)]
    if get_origin(parameter.annotation) is not Annotated or not options:
        raise TypeError(f"expected an annotation with an option, got {parameter}: annotate it")
    return options[0]


def _spelled(parameter: inspect.Parameter) -> str:
    option, kind = _option_of(parameter), get_args(parameter.annotation)[0]
    if isinstance(option, ArgumentInfo):
        return f"`{option.metavar or parameter.name.upper()}`"
    # Beside an annotation the first name stands where a default would.
    spelled = [name for name in (option.default, *(option.param_decls or ())) if isinstance(name, str)]
    bare = parameter.name.replace("_", "-")
    names = spelled or ([f"--{bare}", f"--no-{bare}"] if kind is bool else [f"--{bare}"])
    return ", ".join(f"`{name}`" for name in names)


def _default(parameter: inspect.Parameter) -> str:
    default = parameter.default
    if default is inspect.Parameter.empty:
        return "needed"
    if default is None or default is False:
        return ""
    return "yes" if default is True else f"`{str(default).removesuffix('.0')}`"


def _meaning(option: OptionInfo | ArgumentInfo) -> str:
    text = " ".join((option.help or "").split())
    bounds = [f"at least {option.min:g}"] if option.min is not None else []
    bounds += [f"at most {option.max:g}"] if option.max is not None else []
    if bounds:
        text += f" {', '.join(bounds).capitalize()}."
    if option.envvar:
        text += f" Also `{option.envvar}`."
    return re.sub(r"(?<![`\w])(--[a-z][a-z-]*)", r"`\1`", text)


if __name__ == "__main__":
    sys.stdout.write(commands_page())
