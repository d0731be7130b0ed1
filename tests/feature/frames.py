# SPDX-License-Identifier: Apache-2.0
"""frames.py SEED COUNT: write COUNT odd Ethernet frames to tap0, checksums mostly right so that they are looked at.

Runs in a container, as root with CAP_NET_RAW: ARP, IPv4 fragments of every kind, TCP with odd flags,
ICMP, UDP to services that libslirp has inside, neighbour discovery.
"""
import random
import socket
import struct
import sys

SRC4 = socket.inet_aton("10.0.2.100")
DST4 = [socket.inet_aton(a) for a in "10.0.2.2 10.0.2.3 198.18.0.2 255.255.255.255 10.0.2.255 224.0.0.1".split()]
SRC6 = [socket.inet_pton(socket.AF_INET6, a) for a in "fd00::100 fe80::100 fd00::55".split()]
DST6 = [socket.inet_pton(socket.AF_INET6, a) for a in "fd00::2 fd00::3 ff02::1 ff02::1:ff00:2 fe80::2 2001:db8::1".split()]
PORTS = [21, 53, 67, 69, 80, 113, 5201, 6667]


def checksum(data):
    data += b"\0" * (len(data) & 1)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def payload(proto, pseudo):
    """Random bytes that begin like a header of proto; pseudo(length) is what its checksum covers besides."""
    p = bytearray(random.randbytes(random.randrange(200)))
    place = None
    if proto in (6, 17) and len(p) >= 4 and random.random() < 0.7:
        p[2:4] = struct.pack(">H", random.choice(PORTS))
    if proto == 6 and len(p) >= 20:
        p[12] = random.choice([0x50, 0x50, 0x60, 0xF0])
        p[13] = random.choice([2, 4, 0x10, 0x11, 0x12, 0x18, 0x38])
        place = 16
    elif proto == 17 and len(p) >= 8:
        p[4:6] = struct.pack(">H", len(p))
        place = 6
    elif proto in (1, 58) and len(p) >= 8:
        p[0] = random.choice([0, 3, 8, 13] if proto == 1 else [1, 2, 3, 4, 128, 129, 133, 134, 135, 136, 137])
        p[1] = 0
        place = 2
    if place is not None:
        p[place : place + 2] = b"\0\0"
        p[place : place + 2] = struct.pack(">H", checksum((b"" if proto == 1 else pseudo(len(p))) + bytes(p)))
    return bytes(p)


def ipv4():
    proto, dst = random.choice([1, 6, 6, 17, 17]), random.choice(DST4)
    body = payload(proto, lambda n: SRC4 + dst + struct.pack(">HH", proto, n))
    fragment = random.choice([0, 0, 0, 0x2000, 0x2000 | random.randrange(0x2000), random.randrange(0x2000)])
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), random.randrange(4), fragment, random.choice([64, 1]), proto, 0)
    head += SRC4 + dst
    return b"\x08\0" + head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body


def ipv6():
    proto, src, dst = random.choice([58, 58, 6, 17]), random.choice(SRC6), random.choice(DST6)
    body = payload(proto, lambda n: src + dst + struct.pack(">II", n, proto))
    return b"\x86\xdd" + struct.pack(">IHBB", 0x60000000, len(body), proto, random.choice([255, 64, 0])) + src + dst + body


def rubbish():
    return struct.pack(">H", random.choice([0x806, 0x800, 0x86DD, 0x88F8])) + random.randbytes(random.randrange(120))


def main():
    random.seed(int(sys.argv[1]))
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind(("tap0", 0))
    addresses = b"\x52\x55\x0a\0\x02\x02" + s.getsockname()[4]
    for _ in range(int(sys.argv[2])):
        try:
            s.send(addresses + random.choices([ipv4, ipv6, rubbish], [45, 45, 10])[0]())
        except OSError:
            pass  # the queue is full
    print("sent")


main()
