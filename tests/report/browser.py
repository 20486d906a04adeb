"""Debian's chromium, driven through its debugging pipe: what a page does in a real browser."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
_FLAGS = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --remote-debugging-pipe"
#: Any host name resolves to nothing: the network is cut off.
_OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND"


class Browser:
    """One page of a headless chromium; `events` holds all that it reported."""

    def __init__(self, profile: Path) -> None:
        (out_end, to_child), (from_child, in_end) = os.pipe(), os.pipe()
        command = [CHROMIUM, *_FLAGS.split(), _OFFLINE, f"--user-data-dir={profile}"]
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{out_end} 4>&{in_end}', "bash", *map(str, command)],
            pass_fds=(out_end, in_end), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(out_end)
        os.close(in_end)
        self.write, self.read = to_child, from_child
        self.events: list[dict[str, Any]] = []
        self.count, self.left, self.session = 0, b"", ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)
        os.close(self.write)
        os.close(self.read)

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        self.count += 1
        message: dict[str, Any] = {"id": self.count, "method": method, "params": arguments}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        answer = self.until(lambda one: one.get("id") == self.count)
        assert "error" not in answer, answer
        return answer["result"]

    def until(self, wanted: Any, seconds: float = 40) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while b"\0" in self.left:
                line, _, self.left = self.left.partition(b"\0")
                self.events.append(json.loads(line))
                if wanted(self.events[-1]):
                    return self.events[-1]
            if select.select([self.read], [], [], 1)[0]:
                self.left += os.read(self.read, 1 << 20)
        raise AssertionError("the browser did not answer")

    def load(self, path: Path, width: int = 1280, *, dark: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.until(lambda one: one.get("method") == "Page.loadEventFired")

    def ask(self, expression: str) -> Any:
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def key(self, name: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name)

    def screenshot(self, path: Path) -> None:
        whole = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(whole["data"]))

    def complaints(self) -> list[Any]:
        """Console messages, exceptions and log entries, violations of the page's policy among them."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [one["params"] for one in self.events if one.get("method") in kinds]

    def requests(self) -> list[str]:
        sent = [one for one in self.events if one.get("method") == "Network.requestWillBeSent"]
        return [one["params"]["request"]["url"] for one in sent]
