"""The review in a real browser: keys, two people at once, a server that is killed, and how fast it is."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from review_pairs import write_pairs

from spatial_trainers.review.answers import SHOWN_ANSWERS, to_shown
from spatial_trainers.review.store import Store

pytest.importorskip("gradio", reason="needs the extra 'review'")
playwright = pytest.importorskip("playwright.async_api", reason="needs playwright")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
KEYS = dict(zip(SHOWN_ANSWERS, "12bnu", strict=True))
ROOT = ".spatial-review"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome is installed"),
]


class Server:
    """`spatial review` in a process of its own, always at the same address."""

    def __init__(self, manifest: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        words = ["review", str(manifest), "--port", str(self.port), *options]
        self._command = [sys.executable, "-m", "spatial_core.cli", *words]
        self.database = manifest.with_name(f"{manifest.name}.review.sqlite")
        self.address = f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> Server:
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        # What follows must not fill the pipe.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        return self

    def kill(self) -> None:
        """Kill -9."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()


def in_browser(work: Callable[[Any], Awaitable[None]]) -> None:
    async def main() -> None:
        async with playwright.async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            try:
                await work(browser)
            finally:
                await browser.close()

    asyncio.run(main())


class Reviewer:
    """Presses keys, and remembers what was meant."""

    def __init__(self, page: Any, name: str) -> None:
        self.page = page
        self.name = name
        self.meant: dict[str, str] = {}
        self.delays: list[float] = []
        self.elsewhere: list[str] = []
        page.on("request", lambda request: self.elsewhere.append(request.url))

    @classmethod
    async def enter(cls, browser: Any, address: str, name: str) -> Reviewer:
        context = await browser.new_context(viewport={"width": 1400, "height": 900})
        reviewer = cls(await context.new_page(), name)
        await reviewer.page.goto(address)
        await reviewer.page.wait_for_selector(f"{ROOT} .ask input", timeout=120_000)
        await reviewer.page.keyboard.type(name)
        await reviewer.page.keyboard.press("Enter")
        await reviewer.token()
        return reviewer

    async def token(self, *, after: str | None = None) -> str:
        """Wait until a pair other than `after` can be answered."""
        seen = await self.page.wait_for_function(
            "([root, after]) => { const { token, shown } = document.querySelector(root)?.dataset ?? {};"
            " return shown && token && token !== after ? token : null; }",
            arg=[ROOT, after],
            timeout=120_000,
        )
        await asyncio.sleep(0.13)
        return await seen.json_value()

    async def press(self, shown: str) -> str:
        """Answer what is on the screen, and return the token of what comes next, "" at the end."""
        token = await self.token()
        before = await self.page.get_attribute(ROOT, "data-next-after")
        self.meant[token] = shown
        await self.page.keyboard.press(KEYS[shown])
        await self.page.wait_for_function(
            "([root, token]) => document.querySelector(root).dataset.token !== token",
            arg=[ROOT, token],
            timeout=120_000,
        )
        following = await self.page.get_attribute(ROOT, "data-token")
        delay = await self.page.get_attribute(ROOT, "data-next-after")
        if following and delay and delay != before:
            self.delays.append(float(delay))
        return following or ""

    async def take_back(self, token: str) -> None:
        await self.page.keyboard.press("Backspace")
        await self.page.wait_for_function(
            "([root, token]) => document.querySelector(root).dataset.token === token",
            arg=[ROOT, token],
            timeout=120_000,
        )

    async def all_saved(self, count: int) -> None:
        await self.page.wait_for_function(
            "([root, count]) => { const { answered, waiting } = document.querySelector(root).dataset;"
            " return answered == count && waiting == 0; }",
            arg=[ROOT, count],
            timeout=120_000,
        )


def answer_for(name: str, number: int) -> str:
    digest = hashlib.sha256(f"{name} {number}".encode()).digest()
    return SHOWN_ANSWERS[digest[0] % len(SHOWN_ANSWERS)]


def kept(database: Path, name: str) -> dict[str, str]:
    """Answers in the database by token, as they were shown; fails where one is doubled."""
    found: dict[str, str] = {}
    for verdict in Store(database).verdicts():
        if verdict.assignment.annotator == name:
            assert verdict.assignment.token not in found
            shown = to_shown(verdict.answer, chosen_first=verdict.assignment.chosen_first)
            found[verdict.assignment.token] = shown
    return found


def test_five_hundred_verdicts_by_two_people_and_a_server_that_is_killed(tmp_path: Path) -> None:
    each = 250
    manifest = write_pairs(tmp_path, each, size=128)
    server = Server(manifest)
    reviewers: list[Reviewer] = []

    async def judge(reviewer: Reviewer) -> None:
        for number in range(each):
            token = await reviewer.token()
            await reviewer.press(answer_for(reviewer.name, number))
            if number % 60 == 31:
                await reviewer.take_back(token)
                await reviewer.press(answer_for(reviewer.name, number + 1000))
            if number == 100 and reviewer.name == "bob":
                await reviewer.page.reload()
                await reviewer.token()

    async def kill_now_and_then() -> None:
        for count in (90, 260, 400):
            while sum(len(reviewer.meant) for reviewer in reviewers) < count:
                await asyncio.sleep(0.01)
            server.kill()
            await asyncio.to_thread(server.__enter__)

    async def work(browser: Any) -> None:
        for name in ("ann", "bob"):
            reviewers.append(await Reviewer.enter(browser, server.address, name))
        await asyncio.gather(kill_now_and_then(), *map(judge, reviewers))
        for reviewer in reviewers:
            await reviewer.all_saved(each)

    with server:
        in_browser(work)
    for reviewer in reviewers:
        assert len(reviewer.meant) == each
        assert kept(server.database, reviewer.name) == reviewer.meant
        assert all(url.startswith((server.address, "data:", "blob:")) for url in reviewer.elsewhere)


def test_the_next_pair_shows_at_once(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    manifest = write_pairs(tmp_path, 25, size=1024)
    server = Server(manifest, "--votes", "1")
    delays: list[float] = []

    async def work(browser: Any) -> None:
        reviewer = await Reviewer.enter(browser, server.address, "ann")
        for number in range(25):
            # Nobody reads two prompts and looks at two pictures in less.
            await asyncio.sleep(1.0)
            await reviewer.press(answer_for("ann", number))
        delays.extend(reviewer.delays)

    with server:
        in_browser(work)
    delays.sort()
    record_property("milliseconds", delays)
    assert len(delays) >= 20 and delays[int(0.95 * len(delays))] < 300.0


def test_everything_with_the_keyboard(tmp_path: Path) -> None:
    server = Server(write_pairs(tmp_path, 12), "--adjudicator", "dora")

    async def work(browser: Any) -> None:
        ann = await Reviewer.enter(browser, server.address, "ann")
        page = ann.page
        assert await page.locator("mark").all_inner_texts() == ["left", "right"]
        assert await page.locator(f"{ROOT} .frame img").count() == 2
        first = await ann.token()
        # Two presses at once are one answer.
        await page.keyboard.press("1")
        await page.keyboard.press("1")
        second = await ann.token(after=first)
        await ann.all_saved(1)
        await page.keyboard.press("z")
        assert await page.locator(".spatial-review-zoom").is_visible()
        await page.keyboard.press("+")
        assert "scale(1.25)" in await page.locator(".spatial-review-zoom img").first.get_attribute("style")
        await page.keyboard.press("Escape")
        assert not await page.locator(".spatial-review-zoom").is_visible()
        # Also after leaving and coming back, when the page remembers nothing.
        await page.reload()
        assert await ann.token() == second
        await ann.take_back(first)
        await ann.press("neither")
        await ann.all_saved(1)
        ann.meant[first] = "neither"
        assert kept(server.database, "ann") == ann.meant
        for shown in ("1", "2", "both", "unsure"):
            await ann.press(shown)
        await page.get_by_role("tab", name="Figures").click()
        await page.wait_for_selector("#review-figures table")
        # Keys mean nothing where no pair is seen.
        await page.keyboard.press("1")
        await page.get_by_role("tab", name="Review").click()
        await ann.all_saved(5)

        bob = await Reviewer.enter(browser, server.address, "bob")
        await bob.press("both")
        await bob.all_saved(1)
        dora = await Reviewer.enter(browser, server.address, "dora")
        assert await dora.page.locator(f"{ROOT} .votes").inner_text() == (
            "Others answered: Both (1), Neither (1)"
        )
        await dora.press("1")
        await dora.page.wait_for_selector("text=No disagreement waits for you")
        await dora.all_saved(1)

    with server:
        in_browser(work)
    assert len(Store(server.database).verdicts()) == 7


def test_elsewhere_asks_for_the_token(tmp_path: Path) -> None:
    server = Server(write_pairs(tmp_path, 2), "--host", "0.0.0.0")

    async def work(browser: Any) -> None:
        page = await browser.new_page()
        assert (await page.goto(server.address)).status == 401
        token = server.line.split("?token=")[1].strip()
        await page.goto(f"{server.address}?token={token}&annotator=ann")
        await page.wait_for_selector(f"{ROOT}[data-token]", timeout=120_000)
        assert "token" not in page.url

    with server:
        in_browser(work)


def test_a_damaged_picture_stops_nobody(tmp_path: Path) -> None:
    manifest = write_pairs(tmp_path, 6)
    for path in list((tmp_path / "images").iterdir())[:1]:
        path.write_bytes(b"not an image")
    server = Server(manifest, "--votes", "1")

    async def work(browser: Any) -> None:
        ann = await Reviewer.enter(browser, server.address, "ann")
        for _ in range(4):
            await ann.press("1")
        await ann.press("1")
        await ann.page.wait_for_selector("text=Nothing is left")

    with server:
        in_browser(work)
    assert len(kept(server.database, "ann")) == 5
