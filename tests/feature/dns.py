# SPDX-License-Identifier: Apache-2.0
"""A name server for tests: dns.py ADDRESS IPV4 answers every A question with IPV4, by UDP and TCP, on port 53."""
import socket
import struct
import sys
import threading


def answer(question, ipv4):
    end = 12
    while question[end]:
        end += question[end] + 1
    end += 5
    is_a = struct.unpack(">H", question[end - 4 : end - 2])[0] == 1
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(ipv4) if is_a else b""
    return question[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, int(is_a), 0, 0) + question[12:end] + record


def serve_tcp(listener, ipv4):
    while True:
        client, _ = listener.accept()
        with client:
            size = struct.unpack(">H", client.recv(2))[0]
            reply = answer(client.recv(size), ipv4)
            client.sendall(struct.pack(">H", len(reply)) + reply)


def main():
    address, ipv4 = sys.argv[1:]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, 53))
    listener.listen(5)
    udp = socket.socket(family, socket.SOCK_DGRAM)
    udp.bind((address, 53))
    threading.Thread(target=serve_tcp, args=(listener, ipv4), daemon=True).start()
    print("ready", flush=True)
    while True:
        question, peer = udp.recvfrom(4096)
        udp.sendto(answer(question, ipv4), peer)


main()
