"""A headless Chromium, spoken to in its DevTools protocol over two pipes."""

import base64
import json
import os
import select
import shutil
import subprocess
import time


class Chromium:
    """One page. `entries` collects what the browser logs: refused styles, failed loads, errors."""

    def __init__(self, profile):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        assert program, "no chromium: apt-get install chromium"
        to_read, to_browser = os.pipe()
        from_browser, to_write = os.pipe()

        def place():  # The browser reads commands from descriptor 3 and writes answers to 4.
            read, write = os.dup(to_read), os.dup(to_write)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--disable-default-apps", "--ignore-certificate-errors",
             "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=place, pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": profile})
        os.close(to_read)
        os.close(to_write)
        self.writer, self.reader = to_browser, from_browser
        self.buffer, self.number, self.session, self.entries = b"", 0, None, []
        self.events = []
        page = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Log", "Runtime", "Network", "Security"):
            self.call(domain + ".enable")
        self.call("Security.setIgnoreCertificateErrors", ignore=True)

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        os.close(self.writer)
        os.close(self.reader)

    def _message(self, deadline):
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.reader], [], [], left)[0], "the browser is silent"
            data = os.read(self.reader, 1 << 20)
            assert data, "the browser is gone"
            self.buffer += data
        raw, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(raw)

    def _note(self, message):
        self.events.append(message["method"])
        given = message.get("params", {})
        if message["method"] == "Log.entryAdded":
            self.entries.append(given["entry"]["text"] + " " + given["entry"].get("url", ""))
        elif message["method"] == "Runtime.consoleAPICalled":
            self.entries.append(str(given["args"]))
        elif message["method"] == "Runtime.exceptionThrown":
            self.entries.append(str(given["exceptionDetails"]))
        elif message["method"] == "Network.loadingFailed":
            self.entries.append("failed to load: " + given.get("errorText", ""))

    def call(self, method, **given):
        self.number += 1
        message = {"id": self.number, "method": method, "params": given}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 60
        while True:
            answer = self._message(deadline)
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            if "method" in answer:
                self._note(answer)

    def open(self, url):
        """Loads a page to its `load` event."""
        self.events.clear()
        self.entries.clear()
        failure = self.call("Page.navigate", url=url).get("errorText")
        assert not failure, failure
        self.wait()

    def wait(self):
        deadline = time.monotonic() + 60
        while "Page.loadEventFired" not in self.events:
            answer = self._message(deadline)
            if "method" in answer:
                self._note(answer)

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def screenshot(self):
        """The page as a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
