#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A registry that misbehaves on demand, on plain http of 127.0.0.1.

usage: hostile.py PORT_FILE LOG_FILE

Two servers run: the registry and a "foreign" host (another port). Their ports
are written to PORT_FILE when they listen. Each repository is a scenario, see
the functions called repo_*. Every request is one line of JSON in LOG_FILE:
which server, path, Authorization header, Range header.
"""
import base64
import json
import os
import struct
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from oci import CONFIG, END, INDEX, LAYER, MANIFEST, Image, config, descriptor, digest, directory, file, gz, manifest

port_file, log_path = sys.argv[1:]
log_lock = threading.Lock()
TAR = b"".join([directory(b"etc"), file(b"etc/os-release", b"ID=test\n"), file(b"data", os.urandom(300000))]) + END
GOOD = Image([TAR])
PACKED = Image([TAR], [gz(TAR)])
counts = {}


def log(entry):
    with log_lock, open(log_path, "a") as f:
        f.write(json.dumps(entry) + "\n")


def count(key):
    with log_lock:
        counts[key] = counts.get(key, 0) + 1
        return counts[key]


class Reply:
    def __init__(self, status=200, body=b"", kind=None, **headers):
        self.status, self.body, self.headers = status, body, {k.replace("_", "-"): v for k, v in headers.items()}
        if kind:
            self.headers["Content-Type"] = kind


def plain(image, what, ref):
    """What an honest registry answers."""
    if what == "manifests":
        data = image.manifest if not ref.startswith("sha256:") else image.blobs.get(ref)
        return Reply(200, data, MANIFEST, Docker_Content_Digest=digest(data)) if data else error(404, "MANIFEST_UNKNOWN")
    data = image.blobs.get(ref)
    return Reply(200, data, "application/octet-stream") if data else error(404, "BLOB_UNKNOWN")


def error(status, code, message=None, **headers):
    return Reply(status, json.dumps({"errors": [{"code": code, "message": message or code.lower()}]}).encode(),
                 "application/json", **headers)


def changed_manifest(change, image=GOOD, kind=MANIFEST):
    doc = json.loads(image.manifest)
    change(doc)
    data = json.dumps(doc).encode()
    return Reply(200, data, kind)


# ---- scenarios: repo_NAME(handler, what, ref) returns a Reply, or None when it answered itself
def repo_good(h, what, ref):
    return plain(GOOD, what, ref)


def repo_manifest_header_digest(h, what, ref):
    r = plain(GOOD, what, ref)
    r.headers["Docker-Content-Digest"] = digest(b"something else")
    return r


def repo_manifest_other(h, what, ref):
    """By digest: other bytes than asked for."""
    return Reply(200, GOOD.manifest + b" ", MANIFEST) if what == "manifests" else plain(GOOD, what, ref)


def repo_layer_other(h, what, ref):
    r = plain(GOOD, what, ref)
    if what == "blobs" and ref != digest(GOOD.config):
        r.body = r.body[:-1] + b"x"
    return r


def repo_layer_longer(h, what, ref):
    r = plain(GOOD, what, ref)
    if what == "blobs" and ref != digest(GOOD.config):
        r.body += b"x" * 100000
    return r


def repo_layer_shorter(h, what, ref):
    r = plain(GOOD, what, ref)
    if what == "blobs" and ref != digest(GOOD.config):
        r.body = r.body[:100000]
    return r


def repo_config_other(h, what, ref):
    r = plain(GOOD, what, ref)
    if ref == digest(GOOD.config):
        r.body = r.body.replace(b"true", b"evil")
    return r


def repo_type_lie(h, what, ref):
    r = plain(GOOD, what, ref)
    if what == "manifests":
        r.headers["Content-Type"] = INDEX
    return r


def repo_both(h, what, ref):
    return changed_manifest(lambda d: d.update(manifests=[descriptor(MANIFEST, GOOD.manifest)])) \
        if what == "manifests" else plain(GOOD, what, ref)


def repo_duplicate_keys(h, what, ref):
    if what == "manifests":
        return Reply(200, GOOD.manifest[:-1] + b', "layers": []}', MANIFEST)
    return plain(GOOD, what, ref)


def bad_digest(text):
    def repo(h, what, ref):
        return changed_manifest(lambda d: d["layers"][0].update(digest=text)) if what == "manifests" else plain(GOOD, what, ref)
    return repo


repo_digest_path = bad_digest("sha256:../../../../../../tmp/x")
repo_digest_upper = bad_digest("SHA256:" + "a" * 64)
repo_digest_hex_upper = bad_digest("sha256:" + "A" * 64)
repo_digest_sha512 = bad_digest("sha512:" + "a" * 128)
repo_digest_short = bad_digest("sha256:abc")


def repo_schema1(h, what, ref):
    return Reply(200, b'{"schemaVersion": 1, "name": "x", "tag": "y", "fsLayers": [], "history": []}',
                 "application/vnd.docker.distribution.manifest.v1+prettyjws")


def repo_artifact(h, what, ref):
    return changed_manifest(lambda d: d["config"].update(mediaType="application/vnd.example.chart+json"))


def repo_foreign_layer(h, what, ref):
    return changed_manifest(lambda d: d["layers"][0].update(
        mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls=["http://169.254.169.254/"]))


def repo_no_platform(h, what, ref):
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        descriptor(MANIFEST, GOOD.manifest, platform={"os": "windows", "architecture": "amd64"}),
        descriptor(MANIFEST, GOOD.manifest, platform={"os": "unknown", "architecture": "unknown"})]}
    return Reply(200, json.dumps(index).encode(), INDEX)


ARM = Image([file(b"arm", b"v6") + END])
ARM7 = Image([file(b"arm", b"v7") + END])


def repo_multi(h, what, ref):
    """An index in an index; arm in two variants."""
    inner = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        descriptor(MANIFEST, GOOD.manifest, platform={"os": "linux", "architecture": "amd64"})]}).encode()
    outer = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        descriptor(MANIFEST, ARM.manifest, platform={"os": "linux", "architecture": "arm", "variant": "v6"}),
        descriptor(MANIFEST, ARM7.manifest, platform={"os": "linux", "architecture": "arm", "variant": "v7"}),
        descriptor(INDEX, inner, platform={"os": "linux", "architecture": "amd64"})]}).encode()
    if what == "manifests" and ref in ("latest", digest(outer)):
        return Reply(200, outer, INDEX)
    if what == "manifests" and ref == digest(inner):
        return Reply(200, inner, INDEX)
    for image in (GOOD, ARM, ARM7):
        if ref in image.blobs:
            return plain(image, what, ref)
    return error(404, "UNKNOWN")


def repo_nested_for_ever(h, what, ref):
    doc = b"{}"
    for _ in range(8):
        doc = json.dumps({"schemaVersion": 2, "manifests": [
            descriptor(INDEX, doc, platform={"os": "linux", "architecture": "amd64"})]}).encode()
        counts.setdefault("nest", {})[digest(doc)] = doc
    return Reply(200, doc if ref == "latest" else counts["nest"].get(ref, doc), INDEX)


def repo_big_manifest(h, what, ref):
    h.begin(200, {"Content-Type": MANIFEST, "Content-Length": str(100 << 20)})
    try:
        for _ in range(100):
            h.wfile.write(b" " * (1 << 20))
    except OSError:
        pass
    h.close_connection = True


def repo_big_headers(h, what, ref):
    h.begin(200, {"Content-Type": MANIFEST, **{"X-%d" % i: "y" * 8000 for i in range(20)}})
    h.close_connection = True


def repo_zipped_json(h, what, ref):
    return Reply(200, gz(GOOD.manifest), MANIFEST, Content_Encoding="gzip") if what == "manifests" else plain(GOOD, what, ref)


def repo_escapes(h, what, ref):
    return error(404, "X", "\x1b[2J\x1b]52;c;ZXZpbA==\x07 \u202e evil\r\n")


def redirect(to):
    def repo(h, what, ref):
        return Reply(307, b"", Location=to(h, what, ref))
    return repo


repo_redirect_file = redirect(lambda h, what, ref: "file:///etc/passwd")
repo_redirect_gopher = redirect(lambda h, what, ref: "gopher://127.0.0.1:1/")
repo_redirect_loop = redirect(lambda h, what, ref: h.path)


def repo_redirect_foreign(h, what, ref):
    """Needs a password; blobs live at another host, which must not see it."""
    if h.headers.get("Authorization") is None:
        return error(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="here"')
    if what == "blobs":
        return Reply(307, b"", Location="http://localhost:%d/v2/good/blobs/%s" % (foreign.server_port, ref))
    return plain(GOOD, what, ref)


def repo_401_for_ever(h, what, ref):
    return error(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="again"')


def repo_token_for_ever(h, what, ref):
    return error(401, "UNAUTHORIZED", WWW_Authenticate='Bearer realm="http://%s/token",service="x"' % h.headers["Host"])


def repo_token(h, what, ref):
    """A token server at the same host."""
    if h.headers.get("Authorization") != "Bearer good-token":
        return error(401, "UNAUTHORIZED", WWW_Authenticate='Bearer realm="http://%s/token",service="the registry",'
                     'scope="repository:token:pull"' % h.headers["Host"])
    return plain(PACKED, what, ref)


def repo_token_foreign(h, what, ref):
    """A token server without TLS at another host: must get nothing."""
    return error(401, "UNAUTHORIZED", WWW_Authenticate='Bearer realm="http://localhost:%d/token",service="x"' % foreign.server_port)


def repo_token_header(h, what, ref):
    return error(401, "UNAUTHORIZED", WWW_Authenticate='Bearer realm="http://%s/bad-token"' % h.headers["Host"])


def repo_busy(h, what, ref):
    """503, then 429 with Retry-After, then an answer; for each document."""
    n = count("busy" + ref)
    if n == 1:
        return error(503, "UNAVAILABLE")
    if n == 2:
        return error(429, "TOOMANYREQUESTS", Retry_After="1")
    return plain(GOOD, what, ref)


def repo_busy_for_ever(h, what, ref):
    return error(503, "UNAVAILABLE", "come back later")


def reset(h):
    """Close with a TCP reset."""
    h.wfile.flush()
    h.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    h.connection.close()
    h.close_connection = True


def broken(h, what, ref, ranges):
    data = GOOD.blobs.get(ref)
    if what != "blobs" or ref == digest(GOOD.config):
        return plain(GOOD, what, ref)
    start, first = 0, count(h.path) == 1
    wanted = h.headers.get("Range")
    if wanted and ranges:
        start = int(wanted[6:].split("-")[0])
        h.begin(206, {"Content-Length": str(len(data) - start),
                      "Content-Range": "bytes %d-%d/%d" % (start, len(data) - 1, len(data))})
    else:
        h.begin(200, {"Content-Length": str(len(data))})
    if first:
        h.wfile.write(data[:100000])
        h.wfile.flush()
        time.sleep(0.2)
        reset(h)
    else:
        h.wfile.write(data[start:])


def repo_broken_range(h, what, ref):
    return broken(h, what, ref, True)


def repo_broken_whole(h, what, ref):
    return broken(h, what, ref, False)


def repo_broken_lie(h, what, ref):
    """After a broken connection another range than asked for."""
    data = GOOD.blobs.get(ref)
    if what != "blobs" or ref == digest(GOOD.config) or not h.headers.get("Range"):
        return broken(h, what, ref, False)
    h.begin(206, {"Content-Length": "10", "Content-Range": "bytes 5-14/%d" % len(data)})
    h.wfile.write(data[5:15])


def repo_stalled(h, what, ref):
    if what != "blobs" or ref == digest(GOOD.config):
        return plain(GOOD, what, ref)
    h.begin(200, {"Content-Length": str(len(TAR))})
    try:
        for i in range(600):
            h.wfile.write(TAR[i:i + 1])
            h.wfile.flush()
            time.sleep(0.5)
    except OSError:
        pass
    h.close_connection = True


def repo_bad_chunks(h, what, ref):
    h.begin(200, {"Content-Type": MANIFEST, "Transfer-Encoding": "chunked"})
    h.wfile.write(b"fffffffffffffffffff\r\n" + GOOD.manifest)
    h.close_connection = True


def many_layers():
    tars = [file(b"f%d" % i, os.urandom(20000)) + END for i in range(40)]
    return Image(tars, [gz(t) for t in tars])


MANY = many_layers()


def repo_many(h, what, ref):
    return plain(MANY, what, ref)


def too_many():
    tar = END
    return config([digest(tar)] * 600), tar


def repo_too_many(h, what, ref):
    c, tar = too_many()
    return Reply(200, manifest(c, [(LAYER, tar)] * 600), MANIFEST) if what == "manifests" else Reply(200, c if ref == digest(c) else tar)


def repo_twice(h, what, ref):
    """The same layer twice, as builders do with empty ones."""
    c = config([digest(TAR)] * 2)
    if what == "manifests":
        return Reply(200, manifest(c, [(LAYER, TAR)] * 2), MANIFEST)
    return Reply(200, c if ref == digest(c) else TAR)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def begin(self, status, headers):
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k, v)
        self.end_headers()

    def token(self):
        user = self.headers.get("Authorization", "")
        if self.path.startswith("/bad-token"):
            return Reply(200, json.dumps({"token": "a\r\nX-Evil: 1"}).encode())
        if user != "Basic " + base64.b64encode(b"tester:sesame").decode():
            return error(401, "UNAUTHORIZED")
        return Reply(200, json.dumps({"token": "good-token", "expires_in": 60}).encode(), "application/json")

    def do_GET(self):
        log({"server": self.server.name, "path": self.path, "auth": self.headers.get("Authorization"),
             "range": self.headers.get("Range")})
        parts = self.path.split("?")[0].split("/")
        if parts[1] in ("token", "bad-token"):
            r = self.token()
        elif len(parts) == 5 and "repo_" + parts[2].replace("-", "_") in globals():
            r = globals()["repo_" + parts[2].replace("-", "_")](self, parts[3], parts[4])
        else:
            r = error(404, "NAME_UNKNOWN")
        if r is not None:
            self.begin(r.status, {**r.headers, "Content-Length": str(len(r.body))})
            self.wfile.write(r.body)

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # the client has seen enough


registry = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
foreign = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
registry.name, foreign.name = "registry", "foreign"
registry.daemon_threads = foreign.daemon_threads = True
threading.Thread(target=foreign.serve_forever, daemon=True).start()
with open(port_file + ".new", "w") as f:
    f.write("%d %d\n" % (registry.server_port, foreign.server_port))
os.rename(port_file + ".new", port_file)
registry.serve_forever()
