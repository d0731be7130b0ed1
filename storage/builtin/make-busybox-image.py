#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Assemble builtin:busybox, an OCI image archive around a static busybox.

usage: make-busybox-image.py BUSYBOX OUTPUT ARCHITECTURE [APPLETS]

The same busybox gives the same bytes: names are sorted, every time stamp is
the epoch, every owner is 0:0. The layer is a plain tar, because the first
`crt run` unpacks it and 2 MB on disk cost less than inflating 1 MB. All files
belong to id 0, so that the image unpacks under a single-id map as well.

In the archive index, manifest and config come before the layer: a reader that
streams knows what a blob is when it meets it.

APPLETS names a file with the output of `busybox --list-full`; it is needed
only where BUSYBOX cannot be executed (cross builds).
"""
import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import tarfile

EPOCH = "1970-01-01T00:00:00Z"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# OCI names of `meson host_machine.cpu_family()`
ARCHITECTURES = {
    "x86_64": "amd64",
    "x86": "386",
    "aarch64": "arm64",
    "arm": "arm",
    "ppc64": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}

DIRECTORIES = {
    "bin": 0o755,
    "dev": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "mnt": 0o755,
    "opt": 0o755,
    "proc": 0o555,
    "root": 0o700,
    "run": 0o755,
    "sbin": 0o755,
    "srv": 0o755,
    "sys": 0o555,
    "tmp": 0o1777,
    "usr": 0o755,
    "usr/bin": 0o755,
    "usr/local": 0o755,
    "usr/local/bin": 0o755,
    "usr/local/sbin": 0o755,
    "usr/sbin": 0o755,
    "usr/share": 0o755,
    "usr/share/doc": 0o755,
    "usr/share/doc/busybox": 0o755,
    "var": 0o755,
    "var/log": 0o755,
    "var/tmp": 0o1777,
}

ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\n"
    "daemon:x:1:1:daemon:/:/bin/false\n"
    "nobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": "root:x:0:\ndaemon:x:1:\ntty:x:5:\nnogroup:x:65534:\n",
    "shells": "/bin/sh\n/bin/ash\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "profile": "PS1='\\u@\\h:\\w\\$ '\nexport PS1\n",
}


def fail(text):
    sys.exit(f"make-busybox-image: {text}")


def check_static(path, data):
    """A busybox that wants a dynamic linker would be of no use in an image without one."""
    if data[:4] != b"\x7fELF":
        fail(f"{path}: not an ELF executable")
    is_64, little = data[4] == 2, data[5] == 1
    order = "<" if little else ">"
    if is_64:
        (offset,) = struct.unpack_from(order + "Q", data, 32)
        size, count = struct.unpack_from(order + "HH", data, 54)
    else:
        (offset,) = struct.unpack_from(order + "I", data, 28)
        size, count = struct.unpack_from(order + "HH", data, 42)
    for i in range(count):
        (kind,) = struct.unpack_from(order + "I", data, offset + i * size)
        if kind == 3:  # PT_INTERP
            fail(f"{path}: dynamically linked; install the package busybox-static (or set -Dbusybox=PATH)")


def list_applets(busybox, applets_file):
    if applets_file:
        with open(applets_file, encoding="ascii") as f:
            text = f.read()
    else:
        text = subprocess.run(
            [os.path.abspath(busybox), "--list-full"], check=True, stdout=subprocess.PIPE, encoding="ascii"
        ).stdout
    applets = sorted({line.strip().lstrip("/") for line in text.splitlines()} - {"", "linuxrc", "bin/busybox"})
    for applet in applets:
        if os.path.dirname(applet) not in DIRECTORIES or os.path.normpath(applet) != applet:
            fail(f"unexpected applet path {applet}")
    return applets


def busybox_version(data):
    start = data.find(b"BusyBox v")
    if start < 0:
        fail("no version string in busybox")
    return data[start + 9 : start + 40].split(b" ")[0].split(b"\0")[0].decode("ascii")


def add(tar, name, kind, mode, data=b"", link=""):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = mode
    info.size = len(data)
    info.linkname = link
    info.uname = info.gname = ""
    tar.addfile(info, io.BytesIO(data))


def new_tar():
    out = io.BytesIO()
    return out, tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT)


def make_layer(busybox, data, applets, version):
    entries = {name + "/": (tarfile.DIRTYPE, mode, b"", "") for name, mode in DIRECTORIES.items()}
    entries["bin/busybox"] = (tarfile.REGTYPE, 0o755, data, "")
    for applet in applets:
        depth = applet.count("/")
        target = "busybox" if applet.startswith("bin/") else "../" * depth + "bin/busybox"
        entries[applet] = (tarfile.SYMTYPE, 0o777, b"", target)
    for name, text in ETC.items():
        entries["etc/" + name] = (tarfile.REGTYPE, 0o644, text.encode(), "")
    release = (
        'NAME="BusyBox"\n'
        "ID=busybox\n"
        f'VERSION_ID="{version}"\n'
        f'PRETTY_NAME="BusyBox {version}, built into crt"\n'
        'VARIANT="builtin:busybox"\n'
    )
    entries["etc/os-release"] = (tarfile.REGTYPE, 0o644, release.encode(), "")
    copyright_file = "/usr/share/doc/busybox-static/copyright"
    if busybox == "/bin/busybox" and os.path.exists(copyright_file):
        with open(copyright_file, "rb") as f:
            entries["usr/share/doc/busybox/copyright"] = (tarfile.REGTYPE, 0o644, f.read(), "")
    out, tar = new_tar()
    with tar:
        for name in sorted(entries):
            kind, mode, content, link = entries[name]
            add(tar, name.rstrip("/"), kind, mode, content, link)
    return out.getvalue()


def to_json(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def descriptor(media_type, data, **more):
    return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}


def main():
    if len(sys.argv) not in (4, 5):
        fail("usage: make-busybox-image.py BUSYBOX OUTPUT ARCHITECTURE [APPLETS]")
    busybox, output, family = sys.argv[1:4]
    if family not in ARCHITECTURES:
        fail(f"unknown architecture {family}")
    architecture = ARCHITECTURES[family]
    with open(busybox, "rb") as f:
        data = f.read()
    check_static(busybox, data)
    version = busybox_version(data)
    applets = list_applets(busybox, sys.argv[4] if len(sys.argv) == 5 else None)

    layer = make_layer(busybox, data, applets, version)
    config = to_json(
        {
            "created": EPOCH,
            "architecture": architecture,
            "os": "linux",
            "config": {
                "Env": ["PATH=" + PATH],
                "Cmd": ["sh"],
                "Labels": {
                    "org.opencontainers.image.title": "busybox",
                    "org.opencontainers.image.version": version,
                    "org.opencontainers.image.licenses": "GPL-2.0-only",
                },
            },
            "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
            "history": [{"created": EPOCH, "created_by": "make-busybox-image.py"}],
        }
    )
    manifest = to_json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
        }
    )
    index = to_json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [
                descriptor(
                    "application/vnd.oci.image.manifest.v1+json",
                    manifest,
                    annotations={"org.opencontainers.image.ref.name": "busybox"},
                    platform={"architecture": architecture, "os": "linux"},
                )
            ],
        }
    )
    out, tar = new_tar()
    with tar:
        add(tar, "oci-layout", tarfile.REGTYPE, 0o644, to_json({"imageLayoutVersion": "1.0.0"}))
        add(tar, "index.json", tarfile.REGTYPE, 0o644, index)
        add(tar, "blobs", tarfile.DIRTYPE, 0o755)
        add(tar, "blobs/sha256", tarfile.DIRTYPE, 0o755)
        for blob in (manifest, config, layer):
            add(tar, "blobs/sha256/" + digest(blob)[7:], tarfile.REGTYPE, 0o644, blob)
    temporary = output + ".new"
    with open(temporary, "wb") as f:
        f.write(out.getvalue())
    os.replace(temporary, output)


main()
