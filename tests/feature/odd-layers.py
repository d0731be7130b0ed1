#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Add odd layers to an OCI layout: odd-layers.py LAYOUT MANY

Appends to the image "latest" of LAYOUT three layers of everything that real images have and few tests
look at, packed in different ways, then MANY small ones that take turns in making a name a file and a
directory. Written here byte by byte, so that no tool can be too nice to make it.
"""
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile

layout, many = sys.argv[1], int(sys.argv[2])


def put(data):
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{layout}/blobs/sha256/{digest}", "wb") as f:
        f.write(data)
    return "sha256:" + digest


def get(digest):
    with open(f"{layout}/blobs/sha256/{digest[7:]}", "rb") as f:
        return json.load(f)


class Layer:
    def __init__(self, form=tarfile.PAX_FORMAT):
        self.out = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.out, mode="w", format=form, encoding="utf-8", errors="surrogateescape")

    def add(self, name, kind=tarfile.REGTYPE, data=b"", mode=0o644, ids=(0, 0), link="", pax=None, dev=(0, 0)):
        if isinstance(name, bytes):
            name = name.decode("utf-8", "surrogateescape")
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.linkname = kind, mode, len(data), link
        info.uid, info.gid = ids
        info.mtime = 1234567890
        info.devmajor, info.devminor = dev
        info.pax_headers = pax or {}
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def dir(self, name, mode=0o755, **kw):
        return self.add(name, tarfile.DIRTYPE, mode=mode, **kw)

    def bytes(self):
        self.tar.close()
        return self.out.getvalue()


def zstd(data, *args):
    return subprocess.run(["zstd", "-q", "-c", *args], input=data, stdout=subprocess.PIPE, check=True).stdout


def chunked(data):
    """Several frames with a skippable one behind them, as zstd:chunked has its table of contents."""
    at = len(data) // 3
    return zstd(data[:at]) + zstd(data[at:]) + b"\x50\x2a\x4d\x18" + (64).to_bytes(4, "little") + bytes(64)


deep = "odd/" + "/".join("d%0197d" % i for i in range(19))  # some 3800 bytes

one = Layer()
one.dir("odd").dir("odd/keep", mode=0o1777).dir("odd/gone").dir("odd/opaque").dir("odd/turn")
one.add("odd/file", data=b"one\n", mode=0o4755, ids=(7, 8))
one.add("odd/hard", tarfile.LNKTYPE, link="odd/file", mode=0o4755, ids=(7, 8))
one.add("odd/gone/x", data=b"x").add("odd/gone/y", data=b"y").add("odd/opaque/old", data=b"old")
one.add("odd/turn/x", data=b"x").add("odd/empty")
one.add(b"odd/latin-\xe9\xff", data=b"no utf-8\n").add("odd/" + "n" * 255, data=b"255")
one.add("odd/new\nline \\ \x1b[2J", data=b"text").add("odd/.wh", data=b"no whiteout")
one.add("odd/link", tarfile.SYMTYPE, link="/odd/file", mode=0o777).add("odd/dangling", tarfile.SYMTYPE, link="x" * 4000)
one.add("odd/fifo", tarfile.FIFOTYPE, mode=0o600, ids=(1, 2))
one.add("odd/attr", data=b"a", pax={"SCHILY.xattr.user.one": "eins", "SCHILY.xattr.user.empty": "e"})
one.add("odd/far", data=b"f", ids=(65533, 65000)).add("odd/none", data=b"secret", mode=0)
parts = deep.split("/")
for i in range(2, len(parts) + 1):
    one.dir("/".join(parts[:i]))
one.add(deep + "/leaf", data=b"leaf")

two = Layer(tarfile.GNU_FORMAT)
two.dir("odd").dir("odd/keep", mode=0o1770, ids=(3, 4)).add("odd/.wh.gone").add("odd/.wh.hard")
two.dir("odd/opaque").add("odd/opaque/.wh..wh..opq").add("odd/opaque/new", data=b"new")
two.add("odd/turn", data=b"now a file").dir("odd/empty").add("odd/empty/in", data=b"now a directory")
two.add("odd/both", data=b"both").add("odd/both2", tarfile.LNKTYPE, link="odd/both").add("odd/sparse", data=bytes(1 << 20) + b"end")

three = Layer(tarfile.USTAR_FORMAT)
three.dir("odd/turn").add("odd/turn/y", data=b"a directory again").add("odd/empty", data=b"a file again")
three.dir("odd/gone").add("odd/gone/z", data=b"another one").add("odd/.wh.nothing")

layers = [(one.bytes(), lambda d: gzip.compress(d[:1000]) + gzip.compress(d[1000:]), "tar+gzip"),
          (two.bytes(), chunked, "tar+zstd"), (three.bytes(), lambda d: d, "tar"),
          (Layer().bytes(), lambda d: gzip.compress(d), "tar+gzip")]
for i in range(many):
    turn = Layer()
    turn.add("odd/count", data=b"%d" % i).add("odd/layer-%d" % (i % 50), data=b"%d" % i)
    turn.dir("odd/flip").add("odd/flip/f%d" % i) if i % 2 else turn.add("odd/flip", data=b"%d" % i)
    layers.append((turn.bytes(), zstd if i % 3 else gzip.compress, "tar+zstd" if i % 3 else "tar+gzip"))

with open(f"{layout}/index.json", encoding="utf-8") as f:
    index = json.load(f)
entry = next(m for m in index["manifests"] if m["annotations"]["org.opencontainers.image.ref.name"] == "latest")
manifest = get(entry["digest"])
config = get(manifest["config"]["digest"])
config.pop("history", None)
for plain, pack, kind in layers:
    packed = pack(plain)
    config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(plain).hexdigest())
    manifest["layers"].append({"mediaType": "application/vnd.oci.image.layer.v1." + kind, "digest": put(packed), "size": len(packed)})
data = json.dumps(config).encode()
manifest["config"].update(digest=put(data), size=len(data))
data = json.dumps(manifest).encode()
entry.update(digest=put(data), size=len(data))
with open(f"{layout}/index.json", "w", encoding="utf-8") as f:
    json.dump(index, f)
os.system(f"chmod -R a+rX '{layout}'")
