# SPDX-License-Identifier: Apache-2.0
"""udp.py ADDRESS PORT SIZE: send a datagram of SIZE bytes, print the length and the sender of the answer."""
import socket
import sys

address, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(b"x" * size, (address, port))
data, peer = s.recvfrom(70000)
print(len(data), peer[0])
