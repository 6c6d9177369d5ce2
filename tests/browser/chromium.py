"""A real Chromium, driven over its DevTools protocol: pages opened, scripts evaluated, screenshots taken."""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from websockets.sync.client import connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-sandbox",  # root, as in continuous integration, has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "about:blank",
)
START_SECONDS, ANSWER_SECONDS = 30, 20


def found() -> str | None:
    """The browser of this machine, if it has one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def has_arial() -> bool:
    """Whether this machine has Arial, or one of the types that were drawn to its widths."""
    if not shutil.which("fc-match"):
        return True  # no Linux: Arial is part of the system
    said = subprocess.run(["fc-match", "-f", "%{family}", "Arial"], capture_output=True, text=True, check=True).stdout
    return any(name in said for name in ("Arial", "Arimo", "Helvetica", "Liberation Sans", "Nimbus Sans"))


class Browser:
    """One browser with one tab. `errors` and `requests` are those of the page that was opened last."""

    def __init__(self, program: str) -> None:
        self.profile = Path(tempfile.mkdtemp(prefix="chromium-"))
        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={self.profile}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.number, self.errors, self.requests = 0, [], []
        try:
            # Without pings: their thread draws from the random numbers that hypothesis watches.
            self.socket = connect(self._address(), max_size=None, compression=None, ping_interval=None)
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    session = None

    def _address(self) -> str:
        file = self.profile / "DevToolsActivePort"
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if file.is_file() and len(lines := file.read_text().split()) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            if self.process.poll() is not None:
                raise RuntimeError(f"the browser ended with {self.process.returncode} before it was up")
            time.sleep(0.05)
        raise RuntimeError(f"the browser was not up after {START_SECONDS} s")

    def call(self, method: str, **params):
        """Send a command and wait for its answer; what happens meanwhile is noted."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            answer = self._receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _receive(self) -> dict:
        message = json.loads(self.socket.recv(timeout=ANSWER_SECONDS))
        name, params = message.get("method"), message.get("params", {})
        if name == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"]["text"])
        elif name == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(f"console: {params['args']}")
        elif name == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])
        elif name == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        return message

    def open(self, path: Path, width: int = 1200, height: int = 900) -> None:
        self.errors, self.requests = [], []
        self.resize(width, height)
        self.call("Page.navigate", url=path.as_uri())
        while self._receive().get("method") != "Page.loadEventFired":
            pass

    def resize(self, width: int, height: int = 900) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def media(self, kind: str = "", scheme: str = "light") -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=kind, features=features)

    def ask(self, script: str):
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def pdf(self, path: Path) -> int:
        """Print the page; returns the number of sheets."""
        data = base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])
        path.write_bytes(data)
        return len(re.findall(rb"/Type\s*/Page\b", data))

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)


def is_required() -> bool:
    """Continuous integration must not pass without having looked."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")
