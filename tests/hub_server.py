"""The part of the Hugging Face hub's protocol that its clients use, on this machine, with faults on demand.

with HubServer() as hub:
    repository = hub.add("datasets", "owner/name", {"README.md": b"...", "data/0.parquet": b"..."})
    hub.fail("GET", "0.parquet", Cut(1000), Status(429, {"Retry-After": "0"}))  # of the next two such requests
    ... run a client with hub.environment(cache) ...
    hub.requests("GET", "0.parquet")  # what it asked for

Files of a repository lie in commits. Those in LARGE formats are kept as the hub keeps large files: their hash is
a sha256, and a request for them is sent on to another host.
"""

import hashlib
import json
import os
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".parquet", ".gz", ".zst", ".bin", ".safetensors")


@dataclass
class Status:
    """Answer with this status instead."""

    code: int
    headers: dict = field(default_factory=dict)


@dataclass
class Cut:
    """Close the connection after so many bytes of the body."""

    after: int


@dataclass
class Wrong:
    """Send other bytes, as many."""


@dataclass
class Drip:
    """Send the body in parts with a pause, in seconds, after each."""

    size: int
    pause: float


@dataclass
class Do:
    """Call a function, then answer as ever."""

    action: object


@dataclass
class Request:
    method: str
    path: str
    start: int
    authorised: bool


class Repository:
    """Files by commit, and commits by branch and tag."""

    def __init__(self, kind, name, files):
        self.kind, self.name, self.gated = kind, name, False
        self.commits, self.branches, self.tags = {}, {}, {}
        self.commit(files)

    def commit(self, files, branch="main"):
        """Add a commit with these files, which the branch then names."""
        sha = hashlib.sha1(json.dumps([self.name, sorted(files), len(self.commits)]).encode()).hexdigest()
        self.commits[sha] = files
        self.branches[branch] = sha
        return sha

    @property
    def head(self):
        return self.branches["main"]

    def resolve(self, revision):
        sha = {**self.tags, **self.branches}.get(revision, revision)
        return sha if sha in self.commits else None


class HubServer:
    def __init__(self):
        self.repositories, self.faults, self.log = {}, [], []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": self}))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.storage = f"http://localhost:{self.http.server_port}"  # another host, where large files are

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.http.shutdown()
        self.http.server_close()

    def add(self, kind, name, files):
        self.repositories[kind, name] = Repository(kind, name, files)
        return self.repositories[kind, name]

    def fail(self, method, path, *faults):
        """Let the next requests of `method` whose path contains `path` go wrong, one fault each, in order."""
        self.faults += [(method, path, fault) for fault in faults]

    def next_fault(self, method, path):
        for number, (wanted, part, fault) in enumerate(self.faults):
            if wanted == method and part in path:
                del self.faults[number]
                return fault
        return None

    def requests(self, method, path):
        return [request for request in self.log if request.method == method and path in request.path]

    def environment(self, cache):
        """The environment of a client whose cache is the folder `cache`."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        settings = {"HF_ENDPOINT": self.url, "HF_HOME": str(cache), "HF_UPDATE_DOWNLOAD_COUNTS": "0"}
        return {**kept, **settings, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN": "hf_secret"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub = None

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.answer()

    def do_HEAD(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path)
        start = int(re.sub(r"bytes=(\d+)-", r"\1", self.headers.get("Range", "bytes=0-")))
        authorised = "Authorization" in self.headers
        self.hub.log.append(Request(self.command, path, start, authorised))
        self.fault = self.hub.next_fault(self.command, path)
        if isinstance(self.fault, Do):
            self.fault.action()
        if isinstance(self.fault, Status):
            return self.send(b"", self.fault.code, self.fault.headers)
        for pattern, method in ROUTES:
            if match := re.fullmatch(pattern, path):
                return method(self, *match.groups(), start=start, body=body)
        return self.send(b"", 404)

    def info(self, kind, name, revision, **_):
        if found := self.find(kind, name, revision or "main"):
            repository, sha = found
            entries = [entry(path, data) for path, data in repository.commits[sha].items()]
            files = [
                {"rfilename": one["path"]} | (("blobs=" in self.path and as_sibling(one)) or {}) for one in entries
            ]
            self.send_json({"id": name, "_id": name, "sha": sha, "private": False, "gated": False, "siblings": files})

    def refs(self, kind, name, **_):
        if found := self.find(kind, name, "main"):
            named = {"branches": ("heads", found[0].branches), "tags": ("tags", found[0].tags)}
            groups = {
                group: [{"name": ref, "ref": f"refs/{part}/{ref}", "targetCommit": sha} for ref, sha in refs.items()]
                for group, (part, refs) in named.items()
            }
            self.send_json({**groups, "converts": []})

    def tree(self, kind, name, revision, folder, **_):
        if found := self.find(kind, name, revision):
            prefix = f"{folder.strip('/')}/" if folder else ""
            files = {path: data for path, data in found[0].commits[found[1]].items() if path.startswith(prefix)}
            if "recursive=true" not in self.path.lower():
                folders = {prefix + path[len(prefix) :].split("/")[0] for path in files if "/" in path[len(prefix) :]}
                files = {path: data for path, data in files.items() if "/" not in path[len(prefix) :]}
            else:
                folders = {path.rsplit("/", 1)[0] for path in files if "/" in path}
            if folder and not files and not folders:
                return self.send(b"", 404, {"X-Error-Code": "EntryNotFound"})
            entries = [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in sorted(folders)]
            self.send_json(entries + [entry(path, data) for path, data in files.items()])
        return None

    def paths_info(self, kind, name, revision, body, **_):
        if found := self.find(kind, name, revision):
            files = found[0].commits[found[1]]
            paths = parse_qs(body.decode())["paths"]
            self.send_json([entry(path, files[path]) for path in paths if path in files])

    def resolve(self, kind, name, revision, path, start, **_):
        found = self.find(kind or "models", name, revision)
        if not found:
            return None
        repository, sha = found
        if repository.gated:
            return self.send(b"", 403, {"X-Error-Code": "GatedRepo"})
        headers = {"X-Repo-Commit": sha}
        if path not in repository.commits[sha]:
            return self.send(b"", 404, {"X-Error-Code": "EntryNotFound", **headers})
        data = repository.commits[sha][path]
        if not path.endswith(LARGE):
            return self.send(data, 200, {"ETag": f'"{git_sha1(data)}"', **headers}, start)
        sha256 = hashlib.sha256(data).hexdigest()
        location = f"{self.hub.storage}/storage/{kind or 'models'}/{name}/{sha}/{path}"
        headers |= {"Location": location, "X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(data))}
        return self.send(b"", 302, headers)

    def storage(self, kind, name, sha, path, start, **_):
        self.send(self.hub.repositories[kind, name].commits[sha][path], 200, {"ETag": '"storage"'}, start)

    def find(self, kind, name, revision):
        """The repository and the commit; None, with the answer sent, if there is none."""
        repository = self.hub.repositories.get((kind, name))
        sha = repository and repository.resolve(revision)
        if sha is None:
            self.send(b"", 404, {"X-Error-Code": "RevisionNotFound" if repository else "RepoNotFound"})
            return None
        return repository, sha

    def send_json(self, content):
        self.send(json.dumps(content).encode(), 200, {"Content-Type": "application/json"})

    def send(self, data, code, headers=None, start=0):
        if start:
            code, headers = 206, {**(headers or {}), "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        data = data[start:]
        self.send_response(code)
        for key, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.send_body(data)

    def send_body(self, data):
        fault = self.fault
        if isinstance(fault, Wrong):
            data = bytes(byte ^ 1 for byte in data)
        if isinstance(fault, Cut):
            self.wfile.write(data[: fault.after])
            self.close_connection = True
        elif isinstance(fault, Drip):
            for position in range(0, len(data), fault.size):
                self.wfile.write(data[position : position + fault.size])
                time.sleep(fault.pause)
        else:
            self.wfile.write(data)


ROUTES = [
    (r"/api/(datasets|models)/([^/]+/[^/]+)/refs", Handler.refs),
    (r"/api/(datasets|models)/([^/]+/[^/]+)(?:/revision/([^/]+))?", Handler.info),
    (r"/api/(datasets|models)/([^/]+/[^/]+)/tree/([^/]+)(?:/(.*))?", Handler.tree),
    (r"/api/(datasets|models)/([^/]+/[^/]+)/paths-info/([^/]+)", Handler.paths_info),
    (r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", Handler.resolve),
    (r"/storage/(datasets|models)/([^/]+/[^/]+)/([^/]+)/(.+)", Handler.storage),
]


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def entry(path, data):
    """A file in a listing."""
    large = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    kept = {"lfs": large} if path.endswith(LARGE) else {}
    return {"type": "file", "path": path, "size": len(data), "oid": git_sha1(data), **kept}


def as_sibling(one):
    """What a repository's description adds to the name of a file of a listing."""
    large = {"sha256": one["lfs"]["oid"], **one["lfs"]} if "lfs" in one else None
    return {"size": one["size"], "blobId": one["oid"], **({"lfs": large} if large else {})}
