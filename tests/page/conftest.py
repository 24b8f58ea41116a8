from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from page.browser import Page, start
from page.serving import serving

MISSING = [program for program in ("chromium", "chromedriver", "curl") if shutil.which(program) is None]


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    if MISSING:
        message = f"{', '.join(MISSING)} not installed: scripts/test installs what the tests of the page need"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    browser = start(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.quit()


@pytest.fixture(scope="session")
def address(tmp_path_factory) -> Iterator[Callable[..., str]]:
    """``address(model)`` of a server that is started when it is first asked for."""
    with ExitStack() as stack:
        known: dict[str, str] = {}

        def find(model: str, **settings: str) -> str:
            key = f"{model}{settings}"
            if key not in known:
                known[key] = stack.enter_context(serving(model, tmp_path_factory.mktemp(model), **settings))
            return known[key]

        yield find


@pytest.fixture
def page(driver, address) -> Iterator[Callable[..., Page]]:
    """``page(model)``, open. In the end nothing has been blocked, nothing has failed, and nobody else has been asked."""
    opened: list[Page] = []

    def hold() -> None:
        for one in opened[-1:]:
            assert one.complaints() == []
            assert [url for url in one.asked() if not url.startswith((one.url, "data:,", "blob:"))] == []

    def show(model: str, **settings: str) -> Page:
        hold()
        driver.get("about:blank")  # the page before asks how its server is doing until it is left
        driver.get_log("browser")
        driver.get_log("performance")
        opened.append(Page(driver, address(model, **settings)))
        return opened[-1]

    yield show
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    hold()
