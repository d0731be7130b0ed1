#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: config-fuzz.py CRT-OCI BUNDLE RUNS [SEED]

T60: config.json and the command line of crt-oci, generated from what they may be and then spoilt. BUNDLE
has a rootfs with a static busybox and a working config.json; nobody else may use it. Each case is a run of
its own number: "config-fuzz.py CRT-OCI BUNDLE 1 SEED" repeats one and leaves its config.json.

After each case: crt-oci ended by itself and in time, was not killed by a signal, an error was told in one
printable line, and the state directory is empty. Now and then the same case must end the same way again.
Not to be run as root: what is generated is accepted in part, and then really run.
"""
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

LIMIT = 20  # seconds for one run; a loaded machine is slow
NAMESPACES = ["pid", "network", "ipc", "uts", "mount", "cgroup", "user", "time", "", "bogus"]
WORDS = ["", ".", "..", "/", "/proc", "/etc/passwd", "rootfs", "/dev/null", "../../..", "a" * 300, "a" * 5000,
         "%s%n", "\n", "\x1b[31m", "x=y", "=", "é", "\u202e", "0", "-1", "bind", "ro", "\\", "\"", "\x7f", "/proc/self/fd/0",
         "SCMP_ACT_ERRNO", "CAP_KILL", "RLIMIT_NOFILE", "/bin/true", "nothere/a/b", "//", "/./x", "x" * 70000]
NUMBERS = [0, 1, -1, 2, 7, 100, 255, 256, 4096, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**63 - 1,
           -2**63, 1e300, 0.5, -0.0]
OPTIONS = ["ro", "rw", "nosuid", "nodev", "noexec", "relatime", "strictatime", "bind", "rbind", "private", "rshared",
           "rslave", "unbindable", "size=64k", "mode=755", "mode=0", "tmpcopyup", "rro", "rnodev", "idmap", "ridmap",
           "remount", "nosymfollow", "copy-symlink", "src-nofollow", "dest-nofollow", "bogus", "", "uid=0", "x=", "=x", "defaults"]
GOOD = ["ro", "rw", "nosuid", "nodev", "noexec", "rbind", "bind", "relatime", "rslave", "private"]
ACTIONS = ["ALLOW", "ERRNO", "KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "TRACE", "LOG", "NOTIFY", "BOGUS"]
CALLS = ["read", "write", "execve", "exit_group", "mkdirat", "personality", "socket", "clone", "clone3", "ptrace",
         "no_such_call", "close", "sendto", "sendmsg", "wait4", "", "futex"]
HOOKS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop", "never"]
LIMITS = ["AS", "CORE", "CPU", "DATA", "FSIZE", "NOFILE", "NPROC", "STACK", "MEMLOCK", "NICE", "BOGUS"]


def some(r, values, most=4):
    return [r.choice(values) for _ in range(r.randrange(most + 1))]


def mount(r):
    m = {"destination": r.choice(["/tmp", "/mnt/a", "/dev", "/dev/x", "/proc", "/proc/cpuinfo", "/sys", "/etc/x", "/", "tmp", "/tmp/../x",
                                  "/bin/busybox", "/link/x", "/dev/pts", "/dev/shm", "/proc/1"]),
         "type": r.choice(["tmpfs", "bind", "none", "proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2", "overlay", "ext4", "", "ramfs"]),
         "source": r.choice(["tmpfs", "rootfs", "/etc", "/dev/null", "/proc", "none", "", "nothere", "/sys", "."]),
         "options": some(r, OPTIONS + GOOD * 3, 4)}
    for key in list(m):
        if r.random() < 0.02:
            del m[key]
    return m


def id_map(r):
    return [{"containerID": r.choice([0, 0, 1, 1000, 2**32 - 1]), "hostID": r.choice([os.getuid(), 0, 100000, 2**32 - 1]),
             "size": r.choice([1, 1, 0, 65536, 2**32 - 1])} for _ in range(r.randrange(4))]


def seccomp(r):
    rule = lambda: {"names": some(r, CALLS), "action": "SCMP_ACT_" + r.choice(ACTIONS), "errnoRet": r.choice([1, 4, 11, 38, 4095, 0, 70000]),
                    "args": [{"index": r.choice([0, 1, 5, 6]), "value": r.choice(NUMBERS[:18]), "valueTwo": r.choice([0, 1]),
                              "op": "SCMP_CMP_" + r.choice(["EQ", "NE", "LT", "GE", "MASKED_EQ", "BOGUS"])} for _ in range(r.randrange(3))]}
    return {"defaultAction": "SCMP_ACT_" + r.choice(["ALLOW", "ALLOW", "ALLOW", "LOG", "ERRNO", "KILL", "BOGUS"]), "defaultErrnoRet": r.choice([1, 4, 38]),
            "architectures": some(r, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64", "SCMP_ARCH_BOGUS"]),
            "flags": some(r, ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "BOGUS"], 2),
            "syscalls": [rule() for _ in range(r.choice([0, 1, 3, 40]))]}


def rows(r, c):
    """Set one row of config.json to something that it may be, or nearly."""
    process, linux = c["process"], c["linux"]
    caps = ["CAP_KILL", "CAP_SYS_ADMIN", "CAP_CHOWN", "cap_net_raw", "CAP_BOGUS", ""]
    which = r.randrange(24)
    if which < 5:
        c["mounts"] = c["mounts"] + [mount(r)] if which < 4 else [mount(r) for _ in range(r.choice([0, 2, 20, 200]))]
    elif which == 5:
        linux["namespaces"] = [{"type": r.choice(NAMESPACES)} for _ in range(r.randrange(9))]
    elif which == 6:
        r.choice(linux["namespaces"] or [{}])["path"] = r.choice(["/proc/self/ns/net", "/proc/self/ns/user", "/proc/self/ns/pid", "nothere", "/dev/null", ""])
    elif which == 7:
        linux[r.choice(["uidMappings", "gidMappings"])] = id_map(r)
    elif which < 10:
        linux["seccomp"] = seccomp(r)
    elif which == 10:
        process["capabilities"] = {k: some(r, caps) for k in ["bounding", "effective", "permitted", "inheritable", "ambient"] if r.random() < 0.8}
    elif which == 11:
        process["rlimits"] = [{"type": "RLIMIT_" + r.choice(LIMITS), "soft": r.choice(NUMBERS), "hard": r.choice(NUMBERS)} for _ in range(r.randrange(4))]
    elif which == 12:
        process["user"] = {"uid": r.choice(NUMBERS[:16]), "gid": r.choice(NUMBERS[:16]), "umask": r.choice(NUMBERS), "additionalGids": some(r, NUMBERS)}
    elif which == 13:
        process["args"] = r.choice([["/bin/true"], ["/bin/false"], ["true"], ["/nothere"], [""], [], ["/bin"], ["/bin/true"] + ["x" * 100] * 3000,
                                    ["/bin/sh", "-c", "exit 3"], ["/etc/passwd"]])
    elif which == 14:
        process["env"] = some(r, ["PATH=/bin", "PATH=", "HOME=", "A=1", "A=2", "=x", "x", "B=" + "y" * 10000], 8)
    elif which == 15:
        process["cwd"] = r.choice(["/", "/tmp", "/new/dir", "/etc/passwd", "/link", "/proc/self/fd/7", "relative", "", "/tmp/../.."])
    elif which == 16:
        linux["sysctl"] = {r.choice(["net.ipv4.ip_forward", "kernel.shmmax", "kernel.hostname", "vm.swappiness", "..", "net.x/../y", ""]): r.choice(["1", "", 7, "x" * 5000])}
    elif which == 17:
        linux[r.choice(["maskedPaths", "readonlyPaths"])] = some(r, WORDS + ["/bin", "/tmp", "/proc/kcore", "/link", "/dev", "/bin/busybox"], 6)
    elif which == 18:
        linux["devices"] = [{"path": r.choice(["/dev/null", "/dev/fuse", "/dev/x", "/x", "rel", "/dev/../y", ""]), "type": r.choice(["c", "b", "p", "u", "", "x"]),
                             "major": r.choice(NUMBERS), "minor": r.choice(NUMBERS), "fileMode": r.choice(NUMBERS)} for _ in range(r.randrange(4))]
    elif which == 19:
        c["hooks"] = {r.choice(HOOKS): [{"path": r.choice(["/bin/true", "/bin/false", "/nothere", "rel", "", "/bin"]), "args": some(r, WORDS[:12]),
                                         "env": some(r, ["A=1", "x", ""]), "timeout": r.choice([1, 5, 0, -1, 2**40, "1"])} for _ in range(r.randrange(3))]}
    elif which == 20:
        linux["resources"] = {"memory": {"limit": r.choice(NUMBERS)}, "pids": {"limit": r.choice(NUMBERS)}, "cpu": {"shares": r.choice(NUMBERS), "cpus": r.choice(WORDS)},
                              "devices": [{"allow": r.choice([True, False, 1]), "access": r.choice(["rwm", "r", "x", ""])}], "unified": {r.choice(WORDS): r.choice(WORDS)}}
    elif which == 21:
        process[r.choice(["oomScoreAdj", "noNewPrivileges", "selinuxLabel", "apparmorProfile", "ioPriority", "scheduler", "execCPUAffinity", "terminal", "consoleSize"])] = \
            r.choice([True, 0, -1000, 1000, "", "x", {}, {"class": "IOPRIO_CLASS_BE", "priority": 4}, {"policy": "SCHED_BATCH", "nice": 5}, {"height": 10, "width": 2**20}])
    elif which == 22:
        linux[r.choice(["rootfsPropagation", "mountLabel", "cgroupsPath", "personality", "timeOffsets", "memoryPolicy", "intelRdt", "netDevices"])] = \
            r.choice(["shared", "private", "", "x", "a:b:c", "/../x", {"domain": "LINUX32"}, {"monotonic": {"secs": 7}}, {"boottime": {"secs": -2**62}}, {}, {"mode": "MPOL_BIND", "nodes": "0-"}])
    else:
        c[r.choice(["hostname", "domainname", "ociVersion", "annotations", "future"])] = r.choice(["box", "", "1.0.2", "2.0.0", "1.99.0", "x" * 300, {"a": "b"}, {"a": 1}, "1"])


def nodes(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from nodes(child, path + (key,))


def spoil(r, c):
    """Put something foreign at one place of the tree."""
    path = r.choice([p for p in nodes(c) if p])
    at = c
    for key in path[:-1]:
        at = at[key]
    how = r.randrange(4)
    if how == 0:
        del at[path[-1]]
    elif how == 1 and isinstance(at, dict):
        at[r.choice(WORDS)] = at.pop(path[-1])
    else:
        deep = [[]]
        for _ in range(r.choice([3, 60, 70, 500])):
            deep = [deep]
        at[path[-1]] = r.choice([None, True, [], {}, deep, r.choice(WORDS), r.choice(NUMBERS), [r.choice(WORDS)] * 9, {r.choice(WORDS): r.choice(NUMBERS)}])


def spoil_text(r, text):
    at = r.randrange(len(text))
    how = r.randrange(5)
    if how == 0:
        return text[:at]
    if how == 1:
        return text[:at] + r.choice([b"\0", b"\xff", b"{", b"]", b'"', b",", b"\\u0000", b"\\ud800", b"1e9999"]) + text[at:]
    if how == 2:
        return text[:at] + bytes([text[at] ^ 1 << r.randrange(8)]) + text[at + 1:]
    if how == 3:
        return text.replace(b'"root"', b'"root": {"path": "rootfs"}, "root"', 1)
    return text + r.choice([b"x", b"{}", b" " * 100, b"\0"])


def command_line(r, crt_oci, state):
    glob = ["--root", state]
    if r.random() < 0.05:
        glob += r.choice([["--log-format", "json"], ["--log-format", "x"], ["--debug"], ["--cgroup-manager", "disabled"], ["--cgroup-manager", "x"], ["--rootless", "true"],
                          ["--log-level", "error"], ["--bogus"], ["--systemd-cgroup"]])
    if r.random() < 0.9:
        options = [] if r.random() < 0.8 else r.choice([["--no-pivot"], ["--no-new-keyring"], ["--preserve-fds", r.choice(WORDS[:12] + ["3", "70000"])], ["--keep"], ["--bogus"],
                                                       ["--pid-file", "nothere/pid"], ["--config", r.choice(["config.json", "nothere", "."])], ["--console-socket", "nothere"]])
        return [crt_oci] + glob + ["run"] + options + ["f1"]
    verb = r.choice(["create", "state", "kill", "delete", "start", "list", "ps", "pause", "resume", "update", "events", "spec", "features", "exec", "checkpoint", "restore", "bogus"])
    words = [w for w in some(r, WORDS + ["f1", "-f", "--force", "--all", "9", "--format", "json", "-r", "--", "-b", "--stats"], 4) if "\0" not in w]
    return [crt_oci] + glob + [verb] + words


class Fuzzer:
    def __init__(self, crt_oci, bundle):
        self.crt_oci = crt_oci
        self.state = os.path.join(bundle, "state")
        os.chdir(bundle)
        self.err = tempfile.TemporaryFile(buffering=0)
        with open("config.json") as f:
            self.base = f.read()
        self.statuses = {}

    def case(self, seed):
        r = random.Random(seed)
        c = json.loads(self.base)
        for _ in range(r.choice([1, 1, 1, 2])):
            rows(r, c)
        for _ in range(r.choice([0, 0, 0, 0, 0, 0, 1, 1, 2])):
            spoil(r, c)
        text = json.dumps(c).encode()
        if r.random() < 0.05:
            text = spoil_text(r, text)
        return text, command_line(r, self.crt_oci, self.state)

    def call(self, argv):
        """Status and standard error."""
        self.err.seek(0)
        self.err.truncate()
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.err)
        try:
            status = p.wait(LIMIT)
        except subprocess.TimeoutExpired:
            p.kill()
            raise AssertionError("still running after %d s" % LIMIT) from None
        self.err.seek(0)
        return status, self.err.read().decode("utf-8", "replace")

    def clear(self):
        for name in os.listdir(self.state) if os.path.isdir(self.state) else []:
            subprocess.run([self.crt_oci, "--root", self.state, "delete", "--force", name], stderr=subprocess.DEVNULL, timeout=LIMIT)

    def check(self, seed, again):
        text, argv = self.case(seed)
        with open("config.json.new", "wb") as f:
            f.write(text)
        os.rename("config.json.new", "config.json")
        status, err = self.call(argv)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        assert status >= 0, "killed by signal %d" % -status
        for sign in ["AddressSanitizer", "runtime error:", "LeakSanitizer", "Assertion"]:
            assert sign not in err, err[:2000]
        assert len(err) < 1 << 20, "%d bytes of errors" % len(err)
        if b"seccomp" not in text and b"RLIMIT" not in text:
            found = re.search(r"killed by signal (4|6|7|8|11|31)\b", err)
            assert not found, err
        if argv[3] == "run" and "level=error" in err:
            assert status != 0, "an error and status 0: " + err[:500]
            line = [l for l in err.split("\n") if "level=error" in l]
            assert len(line) == 1, "more than one error: " + err[:2000]
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", line[0]), "control characters: %r" % line[0][:500]
        if os.path.isdir(self.state) and os.listdir(self.state):
            left = os.listdir(self.state)
            self.clear()
            # create leaves what it made, and --keep what it ran
            assert argv[3:4] != ["run"] or "--keep" in argv, "state is left: %s: %s" % (left, err[:500])
            assert os.listdir(self.state) == [], "delete --force leaves %s" % os.listdir(self.state)
        if again and argv[3] == "run":
            other = self.call(argv)
            clean = lambda s: re.sub(r'time="[^"]*"|"time":"[^"]*"|[0-9]+', "", s)
            self.clear()
            assert (status, clean(err)) == (other[0], clean(other[1])), "another verdict: %s %s / %s %s" % (status, err[:500], other[0], other[1][:500])


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    if os.getuid() == 0:
        sys.exit("not as root: part of what is generated is accepted and run")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    runs = int(sys.argv[3])
    first = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    f = Fuzzer(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]))
    bad, start = 0, time.monotonic()
    for seed in range(first, first + runs):
        try:
            f.check(seed, seed % 50 == 0)
        except (AssertionError, subprocess.TimeoutExpired) as e:
            bad += 1
            print("seed %d: %s" % (seed, e), flush=True)
            if bad == 20:
                break
    ran = seed - first + 1
    print("%d cases in %d s, %d failed; statuses %s" % (ran, time.monotonic() - start, bad, dict(sorted(f.statuses.items()))), flush=True)
    if runs > 1:
        with open("config.json", "w") as c:
            c.write(f.base)
    sys.exit(bad > 0)


main()
