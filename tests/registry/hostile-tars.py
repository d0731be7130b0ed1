#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write OCI layouts whose layers are hostile.

usage: hostile-tars.py OUTPUT_DIRECTORY TRIPWIRE_DIRECTORY

One layout per case. Case names begin with what must happen: "refused-" (the
pull fails, nothing is listed) or "taken-" (it succeeds and nothing outside
is touched; some are looked at more closely by the test).
"""
import sys

from oci import (BLOCK, END, Image, directory, file, gnu_long, gz, hardlink, header, pad, pax, symlink)

out, tripwire = sys.argv[1], sys.argv[2].encode()
GOOD = file(b"good", b"good\n")
CASES = {}


def case(name, *layers, packed=None):
    CASES[name] = Image([layer if isinstance(layer, bytes) else b"".join(layer) + END for layer in layers], packed)


# ---- names (T20), each in the flavours that can write it
def flavours(name):
    yield "ustar", [file(name, b"evil")]
    yield "pax", [pax([(b"path", name)]), file(b"x", b"evil")]
    yield "gnu", [gnu_long(b"L", name), file(b"x", b"evil", magic=b"ustar  \0")]


for flavour, entries in flavours(b"../evil"):
    case("refused-dotdot-" + flavour, entries)
for flavour, entries in flavours(b"a/../../evil"):
    case("refused-dotdot-middle-" + flavour, entries)
for flavour, entries in flavours(b"./.."):
    case("refused-dotdot-end-" + flavour, entries)
for flavour, entries in flavours(tripwire + b"/file"):
    case("taken-absolute-" + flavour, entries)
case("refused-empty-name", [file(b"", b"evil")])
case("refused-root-as-file", [file(b"/", b"evil", kind=b"2", link=b"x")])
case("taken-root-as-directory", [directory(b"/"), directory(b"./"), directory(b".//.///"), GOOD])
case("refused-nul-in-pax-name", [pax([(b"path", b"good\0/../evil")]), file(b"x", b"evil")])
case("refused-5000-bytes", [pax([(b"path", b"a/" * 2500 + b"x")]), file(b"x", b"evil")])
case("refused-300-byte-component", [pax([(b"path", b"a" * 300)]), file(b"x", b"evil")])
case("taken-deep", [pax([(b"path", b"d/" * 1900 + b"x")]), file(b"x", b"deep")])

# ---- writing through symbolic links of the same layer: contained in the layer's own tree
case("taken-symlink-absolute", [symlink(b"l", tripwire), file(b"l/file", b"evil"), file(b"l/new", b"evil")])
case("taken-symlink-chain", [symlink(b"a", b"b"), symlink(b"b", b"c"), symlink(b"c", tripwire + b"/dir"),
                             file(b"a/file", b"evil")])
case("taken-symlink-up", [symlink(b"u", b"../../../../../../../../../.."), file(b"u" + tripwire + b"/file", b"evil")])
case("taken-symlink-proc", [symlink(b"p", b"/proc/self/root" + tripwire), file(b"p/file", b"evil")])
case("taken-symlink-then-file", [symlink(b"f", tripwire + b"/file"), file(b"f", b"evil")])
case("taken-symlink-then-directory", [symlink(b"d", tripwire + b"/dir"), directory(b"d", mode=0o700), file(b"d/file", b"x")])
case("refused-symlink-loop", [symlink(b"a", b"b"), symlink(b"b", b"a"), file(b"a/file", b"evil")])
case("taken-symlink-mode", [symlink(b"f", tripwire + b"/file"), header(b"f", kind=b"0", mode=0o4777)])

# ---- hard links (T21)
case("refused-hardlink-absolute", [hardlink(b"h", tripwire + b"/file")])
case("refused-hardlink-dotdot", [hardlink(b"h", b"../../../.." + tripwire + b"/file")])
case("refused-hardlink-through-symlink", [symlink(b"l", tripwire), hardlink(b"h", b"l/file")])
case("refused-hardlink-to-directory", [directory(b"d"), hardlink(b"h", b"d")])
case("refused-hardlink-missing", [hardlink(b"h", b"nothing")])
case("taken-hardlink-to-symlink", [symlink(b"l", tripwire + b"/file"), hardlink(b"h", b"l"), file(b"h", b"evil")])
case("taken-hardlink-to-itself", [GOOD, hardlink(b"good", b"good")])
case("taken-hardlink-payload", [GOOD, pax([(b"size", b"5")]), hardlink(b"h", b"good") + pad(b"evil\n")])

# ---- whiteouts
case("refused-whiteout-through-symlink", [symlink(b"l", tripwire), file(b"l/.wh.file")])
case("refused-opaque-through-symlink", [symlink(b"l", tripwire), file(b"l/.wh..wh..opq")])
case("refused-whiteout-of-nothing", [file(b".wh.")])
case("refused-whiteout-of-dot", [file(b".wh..")])
case("refused-whiteout-of-dotdot", [file(b"d/.wh...")])
case("refused-whiteout-dotdot-name", [file(b".wh.x/../../y")])
case("taken-whiteouts", [file(b"a", b"1"), file(b"d/x", b"1"), file(b"o/x", b"1"), file(b"keep", b"1")],
     [file(b".wh.a"), file(b"d/.wh.x"), file(b"o/.wh..wh..opq"), file(b"o/y", b"2"), file(b"own", b"2"), file(b".wh.own"),
      file(b".wh..wh.plnk")])

# ---- kinds, marks, modes, owners
case("taken-devices", [GOOD, header(b"null", kind=b"3", major=1, minor=3), header(b"sda", kind=b"4", major=8, minor=0),
                       header(b"whiteout", kind=b"3", major=0, minor=0), header(b"fifo", kind=b"6", mode=0o600),
                       header(b"contiguous", kind=b"7"), header(b"unknown", kind=b"Z")])
case("taken-marks", [pax([(b"SCHILY.xattr.user.overlay.opaque", b"y"), (b"SCHILY.xattr.trusted.overlay.opaque", b"y"),
                          (b"SCHILY.xattr.user.overlay.redirect", b"/" + tripwire), (b"SCHILY.xattr.user.mine", b"v\0w"),
                          (b"SCHILY.xattr.user.containers.override_stat", b"0:0:04755:file"),
                          (b"SCHILY.xattr.user.fuseoverlayfs.opaque", b"y")]), directory(b"d"), file(b"d/x")])
case("taken-modes", [file(b"suid", b"x", mode=0o4755), file(b"sgid", b"x", mode=0o2755), directory(b"sticky", mode=0o1777),
                     directory(b"closed", mode=0o000), file(b"closed/x", b"x", mode=0o000), directory(b"setgid", mode=0o2775),
                     file(b"setgid/x", b"x")])
case("taken-owners", [file(b"big", b"x", uid=4294967295, gid=172761424), file(b"neg", b"x", uid=0x7fffffffffffff),
                      file(b"user", b"x", uid=1000, gid=1000), directory(b"home", uid=1000, gid=1000)])

# ---- order and repetition (T22)
case("taken-duplicates", [file(b"f", b"one"), file(b"f", b"two!"), directory(b"d"), file(b"d/x", b"1"), directory(b"d", mode=0o700),
                          file(b"t", b"file"), directory(b"t"), file(b"t/x", b"1"), file(b"t", b"file again")])
case("taken-replaced-directory", [file(b"d/x", b"1"), symlink(b"d", b"e"), directory(b"e"), file(b"d/y", b"2")])

# ---- broken archives
case("refused-no-tar", b"this is no tar archive at all" * 100)
case("refused-checksum", bytes([1]) + file(b"x", b"x")[1:] + END)
case("refused-negative-size", [header(b"x", size_field=b"\xff" * 12)])
case("refused-huge-size", [header(b"x", size_field=b"\x80" + (1 << 62).to_bytes(11, "big"))])
case("refused-size-no-number", [header(b"x", size_field=b"12345abc\0\0\0\0")])
case("refused-pax-size-larger", [pax([(b"size", b"100000")]), file(b"x", b"short")])
case("refused-pax-record", [header(b"p", 12, b"x") + pad(b"99 path=abc\n"), GOOD])
case("refused-pax-chain", [pax([(b"comment", b"x")]) * 200, GOOD])
case("refused-pax-long", [pax([(b"comment", b"x" * (2 << 20))]), GOOD])
case("refused-extended-header-last", [pax([(b"path", b"x")])])
case("refused-sparse-outside", [pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", b"s"),
                                     (b"GNU.sparse.realsize", b"100")]), file(b"x", pad(b"1\n200\n5\n") + b"evil!")])
case("refused-sparse-overlap", [pax([(b"GNU.sparse.size", b"100"), (b"GNU.sparse.map", b"0,5,3,5")]), file(b"x", b"0123456789")])
case("taken-sparse", [pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", b"s"),
                           (b"GNU.sparse.realsize", b"1000000")]), file(b"x", pad(b"1\n500000\n5\n") + b"data!")])
case("taken-trailing-garbage", b"".join([GOOD]) + END + b"garbage" * 1000)
case("taken-no-end", GOOD)
whole = b"".join([directory(b"d"), file(b"d/x", b"y" * 700), GOOD]) + END
for cut in range(BLOCK, len(whole), BLOCK):
    # at the border of entries a missing end is the same as "taken-no-end"
    at_border = cut in (BLOCK, BLOCK * 4, BLOCK * 6, BLOCK * 7)
    case("%s-cut-at-%d" % ("taken" if at_border else "refused", cut), whole[:cut])

# ---- packing
half = len(whole) // 2
case("taken-gzip-members", whole, packed=[gz(whole[:half]) + gz(whole[half:])])
case("taken-gzip-padding", whole, packed=[gz(whole) + b"\0" * 700])
case("refused-gzip-garbage", whole, packed=[gz(whole) + b"garbage"])
case("refused-gzip-cut", whole, packed=[gz(whole)[:-9]])
case("refused-gzip-crc", whole, packed=[gz(whole)[:-8] + b"\1\2\3\4" + gz(whole)[-4:]])
case("refused-other-diff-id", whole, packed=[gz(whole + b"\0" * BLOCK)])
case("refused-bzip2", whole, packed=[b"BZh91AY&SY" + b"x" * 100])
case("refused-gzip-bomb", b"\0" * 1000, packed=[gz(b"\0" * (80 << 20))])

for name, image in CASES.items():
    image.write_layout("%s/%s" % (out, name))
