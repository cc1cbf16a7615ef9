"""A real Chromium without a window, for tests and screenshots: the one that the system has."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """The browser on the PATH, if there is one."""
    return next((found for name in _NAMES if (found := shutil.which(name)) is not None), None)


@contextmanager
def running_chromium(binary: str | None = None) -> Iterator[Browser]:
    """A browser, closed at the end. While it runs, its thread cannot run another asyncio loop.

    Raises:
        FileNotFoundError: there is no Chromium here.
    """
    found = binary or find_chromium()
    if found is None:
        raise FileNotFoundError("no Chromium here: install Debian's chromium, or Google Chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()
