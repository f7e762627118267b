"""The part of the Kubernetes API that the executor plugin uses, on this machine: pods are processes here.

It checks what is asked of it against the API's own schema (kubernetes_api.schema.json) and against what the API server
checks beyond it. It is no Kubernetes: nothing is scheduled, isolated or limited.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).parent / "kubernetes_api.schema.json").read_text())
KINDS = {"jobs": "io.k8s.api.batch.v1.Job", "secrets": "io.k8s.api.core.v1.Secret"}
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?([mkMGTPE]|[KMGTPE]i)?")
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def faults_of(kind, body):
    """What the API server would refuse, a line each."""
    schema = {"$ref": f"#/definitions/{KINDS[kind]}", **SCHEMA}
    found = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(body)]
    if not NAME.fullmatch(body["metadata"]["name"]):
        found.append(f"{body['metadata']['name']} is no name")
    if kind != "jobs":
        return found
    for container in body["spec"]["template"]["spec"]["containers"]:
        requests, limits = (container["resources"].get(part) or {} for part in ("requests", "limits"))
        found += [f"{name}: {value}" for name, value in (requests | limits).items() if not QUANTITY.fullmatch(value)]
        devices = [name for name in {**requests, **limits} if "/" in name]
        found += [f"{name}: requests must be limits" for name in devices if requests.get(name) != limits.get(name)]
        volumes = {volume["name"] for volume in body["spec"]["template"]["spec"]["volumes"]}
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        found += [f"{name} is no volume" for name in mounts - volumes]
    return found


class FakeKubernetes:
    """with FakeKubernetes() as api: run Snakemake with api.environment(folder)."""

    def __init__(self):
        self.jobs, self.ends, self.faults = {}, {}, []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"api": self}))
        self.http.daemon_threads = True

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.http.shutdown()
        self.http.server_close()

    def environment(self, folder):
        """The environment of a client: where the API is, and the Python of this one first, as in the image."""
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.http.server_port}"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        parts = {"clusters": [cluster], "contexts": [context], "users": [{"name": "u", "user": {}}]}
        (folder / "kubeconfig").write_text(yaml.safe_dump({"current-context": "c", **parts}))
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "KUBECONFIG": str(folder / "kubeconfig"), "PATH": path}

    def create(self, kind, body):
        self.faults += faults_of(kind, body)
        if kind == "jobs":
            self.jobs[body["metadata"]["name"]] = body
            threading.Thread(target=self.work, args=(body,), daemon=True).start()

    def work(self, body):
        """Run a pod's command."""
        container = body["spec"]["template"]["spec"]["containers"][0]
        command = [*container["command"], *container["args"]]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with tempfile.TemporaryDirectory() as folder:  # empty, as /workdir is
            options = {"cwd": folder, "env": {**os.environ, "PATH": path}, "capture_output": True, "text": True}
            result = subprocess.run(command, check=False, **options)
        self.ends[body["metadata"]["name"]] = result

    def status(self, name):
        end = self.ends.get(name)
        return {} if end is None else {"succeeded": 1} if end.returncode == 0 else {"failed": 1}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api = None

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.api.create(self.path.split("/")[-1], body)
        self.send(201, body)

    def do_GET(self):
        if job := re.search(r"/jobs/([\w-]+)/status", self.path):
            return self.send(200, self.api.jobs[job[1]] | {"status": self.api.status(job[1])})
        return self.send(200, {"kind": "PodList", "items": []})

    def do_DELETE(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send(200, {"kind": "Status", "status": "Success"})

    def send(self, code, content):
        data = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
