"""Firefox, as far as tests drive it.

It speaks the W3C's WebDriver BiDi by itself. Playwright speaks it too, but with a
command that Debian's Firefox does not know yet, and Debian has no geckodriver.
"""

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

from browsers import FIREFOX

# A busy machine is no reason to fail.
SECONDS = 60

# Wait until something holds, without asking again and again from here.
WAIT = """new Promise(resolve => {
    const look = () => (CONDITION) ? resolve(true) : setTimeout(look, 20);
    look();
})"""


class Tab:
    """A page that is open."""

    def __init__(self, firefox: "Firefox", context: str):
        self._firefox = firefox
        self._context = context

    def goto(self, address: str) -> None:
        """Open an address, and wait until it is loaded."""
        # From nothing: another place on the same page would be no new visit.
        for url in ("about:blank", address):
            self._firefox.send(
                "browsingContext.navigate",
                {"context": self._context, "url": url, "wait": "complete"},
            )

    def resize(self, width: int, height: int) -> None:
        """Give the page's window another size."""
        self._firefox.send(
            "browsingContext.setViewport",
            {
                "context": self._context,
                "viewport": {"width": width, "height": height},
            },
        )

    def evaluate(self, expression: str) -> Any:
        """Return what an expression gives in the page, or what it promises."""
        answer = self._firefox.send(
            "script.evaluate",
            {
                "expression": f"(async () => JSON.stringify(await ({expression})))()",
                "target": {"context": self._context},
                "awaitPromise": True,
            },
        )
        if answer["type"] == "exception":
            raise AssertionError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"].get("value", "null"))

    def wait_for(self, condition: str) -> None:
        """Wait until an expression is true in the page."""
        self.evaluate(WAIT.replace("CONDITION", condition))

    def click(self, element: str) -> None:
        """Click in the middle of an element, which an expression names."""
        self.evaluate(f"{element}.scrollIntoView({{block: 'center'}})")
        box = self.evaluate(f"{element}.getBoundingClientRect()")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        actions = [
            {"type": "pointerMove", "x": round(x), "y": round(y)},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self._firefox.send(
            "input.performActions",
            {
                "context": self._context,
                "actions": [{"type": "pointer", "id": "mouse", "actions": actions}],
            },
        )

    def screenshot(self, path: Path) -> None:
        """Keep a picture of the window."""
        answer = self._firefox.send(
            "browsingContext.captureScreenshot", {"context": self._context}
        )
        path.write_bytes(base64.b64decode(answer["data"]))

    def print(self) -> bytes:
        """Return the page as a PDF."""
        answer = self._firefox.send("browsingContext.print", {"context": self._context})
        return base64.b64decode(answer["data"])


HALF_READ = "Invalid markup: Incorrect number of children for"


class Firefox:
    """A running Firefox."""

    def __init__(self, address: str):
        self._socket = websocket.create_connection(
            address, timeout=SECONDS, suppress_origin=True
        )
        self._number = 0
        # What scripts say, and what goes wrong in them.
        self.messages: list[str] = []
        self.send("session.new", {"capabilities": {}})
        self.send("session.subscribe", {"events": ["log.entryAdded"]})

    def send(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send a command, and return the answer.

        Raises
        ------
        AssertionError
            If Firefox cannot do it; says what it said.
        """
        self._number += 1
        command = {"id": self._number, "method": method, "params": params}
        self._socket.send(json.dumps(command))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("method") == "log.entryAdded":
                entry = answer["params"]
                # A page comes in parts, and a formula may be half there at first; that
                # it is whole in the end, tests/book/test_mathematics.py sees.
                if not entry["text"].startswith(HALF_READ):
                    self.messages.append(f"{entry['level']}: {entry['text']}")
            elif answer.get("id") == self._number:
                assert answer["type"] == "success", answer
                return answer["result"]

    def open(self) -> Tab:
        """Return a new tab."""
        answer = self.send("browsingContext.create", {"type": "tab"})
        return Tab(self, answer["context"])

    def close(self) -> None:
        """End it."""
        self.send("browser.close", {})
        self._socket.close()


@contextmanager
def running(profile: Path) -> Iterator[Firefox]:
    """Start Firefox, without a window, with an empty profile.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    command = [FIREFOX.find(), "--headless", "--no-remote", "--profile", str(profile)]
    with subprocess.Popen(
        [*command, "--remote-debugging-port", "0"],
        env={**os.environ, "HOME": str(profile)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            said = ""
            for line in process.stderr or ():
                said += line
                if listening := re.search(r"BiDi listening on (ws://\S+)", line):
                    break
            else:
                raise AssertionError(f"Firefox did not start:\n{said[-2000:]}")
            firefox = Firefox(f"{listening[1]}/session")
            yield firefox
            firefox.close()
            process.communicate(timeout=SECONDS)
        finally:
            process.kill()
