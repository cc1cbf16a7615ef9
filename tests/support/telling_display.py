"""A display of the job that keeps what is said."""


class Telling:
    """Keeps the lines of `say` in a list; the rest is not shown."""

    def __init__(self, said: list[str]) -> None:
        self._said = said

    def begin(self, times: object) -> None: ...

    def say(self, line: str) -> None:
        self._said.append(line)

    def stage(self, name: str) -> None: ...

    def skipped(self, name: str) -> None: ...

    def work(self, done: int, total: int, what: str) -> None: ...

    def training(self, progress: object) -> None: ...
