"""Looks at the dashboard with a real browser, without a window: ``python -m benchmarks.dashboard.browser SITE``.

Needs Chromium, its driver, and the Python package selenium.
"""

from __future__ import annotations

import functools
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 30.0


def browser_path() -> str | None:
    """Return a browser's path, where there is one with its driver."""
    found = [path for path in map(shutil.which, BROWSERS) if path]
    return found[0] if found and shutil.which("chromedriver") else None


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve a folder on this machine; yields its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *arguments: Any) -> None:
            pass  # a browser that goes to another page hangs up on what it was still loading

    server = Server(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def browser() -> Iterator[Any]:
    """Start a browser without a window."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser_path() or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--window-size=1400,2400",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def errors(driver: Any) -> list[str]:
    """Return what the page's scripts complained of since it was loaded."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def speedups(driver: Any, address: str) -> dict[str, float]:
    """Return the lines of the front page: titles and numbers, of those whose bar is to be seen."""
    driver.get(address)
    rows = driver.find_elements("css selector", "tr[data-speedup]")
    return {
        row.find_element("tag name", "b").text: float(row.get_attribute("data-speedup"))
        for row in rows
        if row.find_element("css selector", ".fill").size["width"] > 0
    }


def graphs(driver: Any, count: int = 3) -> list[str]:
    """Follow the first links of the front page to asv's graphs; returns what is wrong with them."""
    links = [a.get_attribute("href") for a in driver.find_elements("css selector", "tr[data-speedup] > td > a")]
    step = max(1, len(links) // count)
    wrong = []
    for link in links[::step][:count]:
        driver.get("about:blank")
        driver.get(link)
        complaints = errors(driver)
        # a page that has not got its scripts will not draw: then there is nothing to wait for
        if complaints or not _wait_for_points(driver):
            complaints = ["no data drawn", *complaints]
        wrong += [f"{link}: {message}" for message in [*complaints, *errors(driver)]]
    return wrong


def _wait_for_points(driver: Any) -> bool:
    """Tell whether flot has drawn a line, within patience."""
    script = (
        "var plot = window.jQuery && jQuery('#main-graph').data('plot');"
        "return plot ? plot.getData().reduce((n, s) => n + s.data.filter(p => p && p[1] !== null).length, 0) : 0"
    )
    begin = time.monotonic()
    while time.monotonic() - begin < PATIENCE:
        if driver.execute_script(script):
            return True
        time.sleep(0.2)
    return False


def main(site: str) -> int:
    """Check a site that ``asv publish`` has written; returns the exit status."""
    with served(Path(site)) as address, browser() as driver:
        shown = speedups(driver, address)
        wrong = errors(driver) + graphs(driver)
    print(f"{len(shown)} speedups on the front page, {len(wrong)} complaints")
    print("\n".join(wrong))
    return int(not shown or bool(wrong))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
