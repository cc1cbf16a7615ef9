"""The options of a run, written once for every command that runs the whole job."""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from offline.commands.options import (
    BadShare,
    Baselines,
    Bits,
    Budget,
    Device,
    Dim,
    Epochs,
    MaxLoss,
    Processes,
    Rate,
    Refit,
    Seed,
    Serve,
    ServedLog,
    Split,
    TeacherPath,
    Without,
)
from offline.commands.output import budget_seconds, overrides_of
from offline.options import Options

_PARAMETER = "options"


def run_options(
    split: Split = None,
    seed: Seed = 0,
    device: Device = "auto",
    processes: Processes = None,
    budget: Budget = None,
    epochs: Epochs = None,
    dim: Dim = None,
    learning_rate: Rate = None,
    without: Without = None,
    refit: Refit = True,
    weight_bits: Bits = 8,
    max_loss: MaxLoss = 0.005,
    max_bad_share: BadShare = 0.05,
    baselines: Baselines = True,
    serve: Serve = ServedLog.WHOLE,
    teacher: TeacherPath = None,
) -> Options:
    """Return what the options of a command line come to."""
    return Options(
        split=split,
        seed=seed,
        device=device,
        processes=processes,
        budget_s=budget_seconds(budget),
        overrides=overrides_of(epochs, dim, learning_rate),
        without=tuple(without or ()),
        refit=refit,
        weight_bits=weight_bits,
        max_loss=max_loss,
        max_bad_share=max_bad_share,
        baselines=baselines,
        serve=serve.value,
        teacher=teacher,
    )


def takes_run_options(leave_out: Sequence[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of `run_options` in the place of its parameter `options`.

    A parameter of the command that has the name of one of them stands for it, with a default and a meaning of its own.

    Args:
        leave_out: those that mean nothing to the command, and keep their defaults.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command).parameters
        shared = inspect.signature(run_options).parameters
        given = {name: value for name, value in shared.items() if name not in leave_out and name not in own}
        parameters: list[inspect.Parameter] = []
        for name, parameter in own.items():
            parameters += given.values() if name == _PARAMETER else [parameter]

        @wraps(command)
        def with_options(**values: Any) -> None:
            options = run_options(**{name: values[name] for name in shared if name in values})
            command(**{name: values[name] for name in own if name in values}, **{_PARAMETER: options})

        signature = inspect.Signature([it.replace(kind=inspect.Parameter.KEYWORD_ONLY) for it in parameters])
        with_options.__signature__ = signature  # type: ignore[attr-defined]
        with_options.__annotations__ = {it.name: it.annotation for it in parameters}
        return with_options

    return decorate
