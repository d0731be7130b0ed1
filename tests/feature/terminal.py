#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Run a program on a new pseudo-terminal and talk to it.

usage: terminal.py [STEP...] -- PROGRAM [ARG...]

Steps, done in order:
  size:ROWSxCOLS   window size (the first one before the program starts)
  timeout:SECONDS  for the whole run (default 30)
  expect:REGEX     read until the output since the last match holds it
  send:TEXT        write, with \\n \\r \\t \\e \\xNN and \\C-x understood
  sleep:SECONDS
  signal:NAME      send a signal to the program
  hangup           close our side of the terminal
  stty             print the settings of the terminal (for "was it restored?")

Everything the program prints goes to stdout as it is. After the last step the
output is read to its end. The exit code is the program's (128+n for a signal);
124 when a step timed out, with the reason on stderr.
"""
import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time


def unescape(text):
    out = bytearray()
    data = text.encode()
    i = 0
    simple = {ord("n"): 10, ord("r"): 13, ord("t"): 9, ord("e"): 27, ord("\\"): 92}
    while i < len(data):
        if data[i] != 92 or i + 1 >= len(data):
            out.append(data[i])
            i += 1
        elif data[i + 1] in simple:
            out.append(simple[data[i + 1]])
            i += 2
        elif data[i + 1] == ord("x"):
            out.append(int(data[i + 2 : i + 4], 16))
            i += 4
        elif data[i + 1 : i + 3] == b"C-":
            out.append(data[i + 3] & 31)
            i += 4
        else:
            out.append(data[i])
            i += 1
    return bytes(out)


class Session:
    def __init__(self, argv, size, deadline):
        self.deadline = deadline
        self.pending = b""
        self.ended = False
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
            try:
                os.execvp(argv[0], argv)
            except OSError as e:
                os.write(2, f"terminal.py: {argv[0]}: {e.strerror}\n".encode())
            os._exit(127)

    def die(self, why):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        sys.stdout.buffer.flush()
        sys.stderr.write(f"\nterminal.py: {why}\n")
        sys.exit(124)

    def read(self, why):
        left = self.deadline - time.monotonic()
        if left <= 0 or not select.select([self.fd], [], [], left)[0]:
            self.die(f"timed out: {why}")
        try:
            data = os.read(self.fd, 65536)
        except OSError as e:
            if e.errno != errno.EIO:
                raise
            data = b""
        if not data:
            self.ended = True
        self.pending += data
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def expect(self, regex):
        pattern = re.compile(regex.encode(), re.S)
        while True:
            m = pattern.search(self.pending)
            if m:
                self.pending = self.pending[m.end() :]
                return
            if self.ended:
                self.die(f"the program ended before: {regex}")
            self.read(f"expect {regex}")

    def finish(self):
        while not self.ended:
            self.read("waiting for the end")
        while time.monotonic() < self.deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
            time.sleep(0.01)
        self.die("timed out: waiting for the exit")


def parse_size(text):
    rows, columns = text.split("x")
    return int(rows), int(columns)


def main():
    if "--" not in sys.argv:
        sys.exit(__doc__)
    split = sys.argv.index("--")
    steps, argv = sys.argv[1:split], sys.argv[split + 1 :]
    size, timeout = (24, 80), 30.0
    while steps and steps[0].split(":")[0] in ("size", "timeout"):
        kind, value = steps.pop(0).split(":", 1)
        if kind == "size":
            size = parse_size(value)
        else:
            timeout = float(value)
    s = Session(argv, size, time.monotonic() + timeout)
    for step in steps:
        kind, _, value = step.partition(":")
        if kind == "expect":
            s.expect(value)
        elif kind == "send":
            os.write(s.fd, unescape(value))
        elif kind == "size":
            fcntl.ioctl(s.fd, termios.TIOCSWINSZ, struct.pack("HHHH", *parse_size(value), 0, 0))
        elif kind == "sleep":
            time.sleep(float(value))
        elif kind == "signal":
            os.kill(s.pid, getattr(signal, "SIG" + value))
        elif kind == "hangup":
            os.close(s.fd)
            _, status = os.waitpid(s.pid, 0)
            sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
        elif kind == "stty":
            flags = termios.tcgetattr(s.fd)
            print(f"stty iflag={flags[0]:o} oflag={flags[1]:o} cflag={flags[2]:o} lflag={flags[3]:o}")
        else:
            sys.exit(f"terminal.py: unknown step {step}")
    sys.exit(s.finish())


main()
