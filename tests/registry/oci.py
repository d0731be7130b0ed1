# SPDX-License-Identifier: Apache-2.0
"""Tar archives and OCI documents, built byte by byte so that they can be wrong on purpose."""
import gzip
import hashlib
import json
import os

BLOCK = 512
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def pad(data):
    return data + b"\0" * (-len(data) % BLOCK)


def octal(n, width):
    return b"%0*o\0" % (width - 1, n)


def header(name, size=0, kind=b"0", mode=0o644, uid=0, gid=0, link=b"", mtime=1, major=0, minor=0, magic=b"ustar\x0000",
           size_field=None):
    """One header block. Names are bytes of any content; size_field replaces the 12 bytes of the size."""
    h = bytearray(BLOCK)
    h[0:min(len(name), 100)] = name[:100]
    h[100:108] = octal(mode, 8)
    h[108:116] = octal(uid, 8) if uid < 0o10000000 else b"\x80" + uid.to_bytes(7, "big")
    h[116:124] = octal(gid, 8) if gid < 0o10000000 else b"\x80" + gid.to_bytes(7, "big")
    h[124:136] = size_field or octal(size, 12)
    h[136:148] = octal(mtime, 12)
    h[156:157] = kind
    h[157:157 + min(len(link), 100)] = link[:100]
    h[257:265] = magic
    h[329:337] = octal(major, 8)
    h[337:345] = octal(minor, 8)
    h[148:156] = b" " * 8
    h[148:156] = b"%06o\0 " % sum(h)
    return bytes(h)


def record(key, value):
    body = b" " + key + b"=" + value + b"\n"
    n = len(body) + 1
    while len(str(n)) + len(body) != n:
        n = len(str(n)) + len(body)
    return str(n).encode() + body


def pax(records, kind=b"x"):
    data = b"".join(record(k, v) for k, v in records)
    return header(b"PaxHeaders/x", len(data), kind) + pad(data)


def gnu_long(kind, text):
    return header(b"././@LongLink", len(text) + 1, kind, magic=b"ustar  \0") + pad(text + b"\0")


def file(name, data=b"", **more):
    return header(name, len(data), **more) + pad(data)


def directory(name, mode=0o755, **more):
    return header(name, kind=b"5", mode=mode, **more)


def symlink(name, target):
    return header(name, kind=b"2", link=target, mode=0o777)


def hardlink(name, target, **more):
    return header(name, kind=b"1", link=target, **more)


END = b"\0" * (2 * BLOCK)


def config(diff_ids, **more):
    doc = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/true"]},
           "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    doc.update(more)
    return json.dumps(doc).encode()


def descriptor(kind, data, **more):
    d = {"mediaType": kind, "digest": digest(data), "size": len(data)}
    d.update(more)
    return d


def manifest(config_bytes, layers, **more):
    """layers: [(media type, bytes)]"""
    doc = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, config_bytes),
           "layers": [descriptor(kind, data) for kind, data in layers]}
    doc.update(more)
    return json.dumps(doc).encode()


class Image:
    """An image of plain tars: blobs by digest, and the manifest."""

    def __init__(self, tars, packed=None):
        self.packed = packed or list(tars)
        kinds = [LAYER if p is t else LAYER + "+gzip" for p, t in zip(self.packed, tars)]
        self.config = config([digest(t) for t in tars])
        self.manifest = manifest(self.config, list(zip(kinds, self.packed)))
        self.blobs = {digest(b): b for b in self.packed + [self.config, self.manifest]}

    def write_layout(self, path, tag="latest"):
        os.makedirs(path + "/blobs/sha256")
        for d, data in self.blobs.items():
            with open(path + "/blobs/sha256/" + d[7:], "wb") as f:
                f.write(data)
        with open(path + "/oci-layout", "w") as f:
            f.write('{"imageLayoutVersion":"1.0.0"}')
        entry = descriptor(MANIFEST, self.manifest, annotations={"org.opencontainers.image.ref.name": tag})
        with open(path + "/index.json", "w") as f:
            json.dump({"schemaVersion": 2, "manifests": [entry]}, f)


def gz(data):
    return gzip.compress(data, 6, mtime=0)
