"""The page in a real browser, and everything that the browser has to say against it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,900",
)
PATIENCE = 15


def start(folder: Path) -> webdriver.Chrome:
    """Chromium with nothing in it yet; ``folder`` is its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    driver.get("about:blank")  # what a new tab shows asks for things of its own
    return driver


class Page:
    """The page of one server."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self.url = url
        driver.get(url)
        self.until(lambda: self.id("state").text == "Ready" or self.id("lock").is_displayed())

    def id(self, name: str) -> WebElement:
        return self.driver.find_element(By.ID, name)

    def css(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def field(self, label: str) -> WebElement:
        """The control that the label is for; a name of a nested field is enough."""
        found = next(item for item in self.css(".label label") if item.text == label)
        return self.id(str(found.get_attribute("for")))

    def write(self, label: str, text: str) -> None:
        self.field(label).clear()
        self.field(label).send_keys(text)

    def put(self, label: str, text: str) -> None:
        """All at once, for texts that no keyboard has."""
        change = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))"
        self.script(change, self.field(label), text)

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def send(self) -> str:
        """Send as people without a mouse do; gives back the line that says how it went."""
        self.script("document.getElementById('status').textContent = ''")
        ActionChains(self.driver).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
        self.until(lambda: self.id("status").text and not self.id("answer").get_attribute("aria-busy"))
        return self.id("status").text

    @property
    def answer(self) -> Any:
        return json.loads(self.css("#answer pre")[0].text)

    def turn(self, value: str) -> None:
        """Choose Form or Body, or a language."""
        self.css(f"label:has([value={value}])")[0].click()

    def snippet(self, language: str) -> str:
        """The text as people would copy it."""
        time.sleep(0.2)  # it is written a moment after the last key
        self.turn(language)
        return str(self.script("return document.getElementById('code').textContent"))

    def script(self, text: str, *arguments: Any) -> Any:
        return self.driver.execute_script(text, *arguments)

    def until(self, condition: Callable[[], Any]) -> None:
        limit = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < limit, f"never happened; the console: {self.driver.get_log('browser')}"
            time.sleep(0.02)

    def complaints(self) -> list[str]:
        """The console since last asked, but for answers of the server that are errors: those are shown as the page."""
        entries = self.driver.get_log("browser")
        return [
            entry["message"] for entry in entries if "the server responded with a status of" not in entry["message"]
        ]

    def asked(self) -> set[str]:
        """Every URL that was asked for since last asked, by the page or anything in it."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
        return {params["request"]["url"] for params in sent}
