"""A stand-in for the Hugging Face hub: repositories of models in memory, as far as a bundle needs them."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != "Bearer mine":
            self._answer(401, {"error": "Invalid username or password."})
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.server.private[name] = asked.get("private") or asked.get("visibility") == "private"
            self.server.repositories.setdefault(name, {".gitattributes": b"*.bin filter=lfs\n"})
            self._answer(200, {"url": f"{self.server.address}/{name}"})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", self.path):
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self._answer(200, {"files": files})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", self.path.partition("?")[0]):
            for line in body.splitlines():
                self._apply(self.server.repositories[match[1]], **json.loads(line))
            url = f"{self.server.address}/{match[1]}/commit/{_COMMIT}"
            self._answer(200, {"commitUrl": url, "commitOid": _COMMIT, "success": True})
        else:
            self._answer(200, {"errors": [], "warnings": []})  # of /api/validate-yaml

    def _apply(self, files, key, value):
        if key == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif key == "deletedFile":
            del files[value["path"]]

    def do_GET(self):
        path = self.path.partition("?")[0]
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/\w+)?", path):
            files = self.server.repositories.get(match[1])
            if files is None:
                self._answer(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
                return
            siblings = [{"rfilename": name} for name in files]
            self._answer(200, {"id": match[1], "sha": _COMMIT, "siblings": siblings, "tags": [], "private": True})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/\w+", path):
            files = self.server.repositories.get(match[1], {})
            entries = [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in files.items()
            ]
            self._answer(200, entries)
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/\w+/(.+)", path):
            content = self.server.repositories.get(match[1], {}).get(match[2])
            if content is None:
                self._answer(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
            else:
                self._send(200, content, {"ETag": f'"{hashlib.sha1(content).hexdigest()}"'})
        else:
            self._answer(404, {"error": f"nothing at {path}"})

    def do_HEAD(self):
        self.do_GET()

    def _answer(self, status, content, headers=None):
        message = {"X-Error-Message": content["error"]} if isinstance(content, dict) and "error" in content else {}
        self._send(
            status, json.dumps(content).encode(), {"Content-Type": "application/json", **message, **(headers or {})}
        )

    def _send(self, status, content, headers):
        self.send_response(status)
        for name, value in {"X-Repo-Commit": _COMMIT, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def stand_in_hub():
    """Serve a hub on this machine; yield it, with the ``environment`` that leads a process there."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.repositories, server.private = {}, {}
    server.address = f"http://127.0.0.1:{server.server_port}"
    server.environment = {
        "HF_ENDPOINT": server.address,
        "HF_HUB_OFFLINE": "0",
        "HF_TOKEN": "mine",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
