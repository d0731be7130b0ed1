#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A registry that takes uploads and misbehaves, for tests of crt push.

usage: upload.py PORTS-FILE LOG-FILE

Writes "PORT FOREIGN-PORT" to PORTS-FILE. The repository's name says what goes wrong:

  good              nothing
  auth              wants tester:sesame
  break             the connection ends in the middle of the first PATCH; the rest is asked for
  forget            the same, and the upload is forgotten: 404 to the question
  less              the first PATCH keeps half of what was sent and says so
  range-lie         says that it has more than was sent
  location-foreign  uploads go to another host (which must not see the password)
  location-file     uploads go to file:///etc/passwd
  location-none     does not say where uploads go
  digest-lie        says that it stored something else
  busy              429 with Retry-After to the first POST
  busy-for-ever     503 to every POST
  redirect-put      303 to the PUT of a blob
  manifest-lie      says that it stored another manifest

Each request is a line of JSON in LOG-FILE: server, method, path, auth, range, length.
"""
import hashlib
import json
import os
import re
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()
log = None
uploads = {}  # id -> bytearray
blobs = set()
once = set()


def first(key):
    with lock:
        if key in once:
            return False
        once.add(key)
        return True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def record(self):
        with lock:
            log.write(json.dumps({
                "server": self.server.name, "method": self.command, "path": self.path,
                "auth": self.headers.get("Authorization"), "range": self.headers.get("Content-Range"),
                "length": self.headers.get("Content-Length")}) + "\n")
            log.flush()

    def answer(self, status, headers=None, body=b""):
        self.send_response(status)
        for k, v in (headers or {}).items():
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self, limit=None):
        left = int(self.headers.get("Content-Length") or 0)
        left = left if limit is None else min(limit, left)
        data = bytearray()
        while len(data) < left:
            piece = self.rfile.read(min(1 << 20, left - len(data)))
            if not piece:
                break
            data += piece
        return data

    def dispatch(self):
        self.record()
        if self.path == "/v2/":
            return self.answer(200)
        m = re.match(r"/v2/([a-z-]+)/(blobs|manifests)/(.*)", self.path)
        if not m:
            return self.answer(404)
        repo, kind, rest = m.groups()
        if repo == "auth" and self.headers.get("Authorization") != "Basic dGVzdGVyOnNlc2FtZQ==":
            self.body()
            return self.answer(401, {"WWW-Authenticate": 'Basic realm="x"'})
        if kind == "manifests":
            data = self.body()
            digest = "sha256:" + hashlib.sha256(data).hexdigest()
            if repo == "manifest-lie":
                digest = "sha256:" + "0" * 64
            return self.answer(201, {"Docker-Content-Digest": digest})
        if self.command == "HEAD":
            return self.answer(200 if (repo, rest) in blobs else 404)
        if self.command == "POST":
            return self.post(repo)
        return self.upload(repo, rest)

    def post(self, repo):
        self.body()
        if repo == "busy" and first("busy"):
            return self.answer(429, {"Retry-After": "1"})
        if repo == "busy-for-ever":
            return self.answer(503)
        with lock:
            name = "u%d" % len(uploads)
            uploads[name] = bytearray()
        at = "/v2/%s/blobs/uploads/%s" % (repo, name)
        where = {"location-file": "file:///etc/passwd", "location-none": None,
                 "location-foreign": "http://127.0.0.1:%d%s" % (self.server.foreign, at)}.get(repo, at)
        return self.answer(202, {"Location": where} if where else {})

    def upload(self, repo, rest):
        name = rest.split("/")[-1].split("?")[0]
        at = "/v2/%s/blobs/uploads/%s" % (repo, name)
        if name not in uploads:
            self.body()
            return self.answer(404)
        have = uploads[name]
        if self.command == "GET":
            if repo == "forget" and first("forget-404"):
                del uploads[name]
                return self.answer(404)
            end = len(have) - 1 + (1 << 30 if repo == "range-lie" else 0)
            return self.answer(204, {"Location": at, "Range": "0-%d" % max(end, 0)})
        if self.command == "PATCH":
            if repo in ("break", "forget", "range-lie") and first(repo):
                have += self.body(5 << 20)
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return None
            data = self.body()
            start = int(self.headers["Content-Range"].split("-")[0])
            if start != len(have):
                return self.answer(416, {"Location": at, "Range": "0-%d" % (len(have) - 1)})
            have += data[:len(data) // 2] if repo == "less" and first("less") else data
            return self.answer(202, {"Location": at + "?state=%d" % len(have), "Range": "0-%d" % (len(have) - 1)})
        if repo == "redirect-put":
            self.body()
            return self.answer(303, {"Location": at})
        have += self.body()
        digest = "sha256:" + hashlib.sha256(have).hexdigest()
        if digest not in self.path:
            return self.answer(400)
        blobs.add((repo, digest))
        return self.answer(201, {"Docker-Content-Digest": "sha256:" + "0" * 64 if repo == "digest-lie" else digest})

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = dispatch


def main():
    global log
    log = open(sys.argv[2], "w", encoding="utf-8")
    servers = []
    for name in ("main", "foreign"):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.name = name
        servers.append(server)
    for server in servers:
        server.foreign = servers[1].server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(sys.argv[1] + ".new", "w", encoding="utf-8") as f:
        f.write("%d %d\n" % tuple(s.server_port for s in servers))

    os.rename(sys.argv[1] + ".new", sys.argv[1])
    threading.Event().wait()


main()
