#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Add up the results of several test runs and print one line.

usage: summary.py RESULT...

  meson:STATUS:LABEL:FILE   FILE is meson's testlog.json; TAP output counts case by case
  tap:STATUS:LABEL:FILE     FILE is TAP, as of bats
  broken:TEXT               one failure

STATUS is the exit status of the runner. A runner that died, a plan that was
not fulfilled, a missing or empty FILE count as failures. The last line is
"N passed, N failed, N skipped"; the exit status is 1 when anything failed.
"""
import json
import re
import sys

PLAN = re.compile(r"^1\.\.(\d+)")
CASE = re.compile(r"^(not )?ok\b(.*)$")
SKIP = re.compile(r"#\s*skip", re.I)


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.skips = {}

    def fail(self, text, n=1):
        self.failed += n
        self.failures.append(text)

    def skip(self, text):
        self.skipped += 1
        reason = re.split(r"#\s*skip:?", text, flags=re.I)[-1].strip(" ()") or "no reason given"
        self.skips[reason] = self.skips.get(reason, 0) + 1

    def tap(self, label, text):
        """Count the cases of one TAP stream; returns (planned, seen, failed)."""
        planned, seen, failed = None, 0, 0
        for line in text.splitlines():
            m = PLAN.match(line)
            if m:
                planned = int(m.group(1))
                continue
            m = CASE.match(line)
            if not m:
                continue
            seen += 1
            if SKIP.search(m.group(2)):  # cmocka says "not ok 3 # SKIP test_name"
                self.skip(m.group(2) if not m.group(1) else f"# skip {label}: {m.group(2).split()[-1]}")
            elif m.group(1):
                failed += 1
                self.fail(f"{label}: {m.group(2).strip(' -')}")
            else:
                self.passed += 1
        return planned, seen, failed

    def tap_file(self, status, label, path):
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                text = f.read()
        except OSError as e:
            self.fail(f"{label}: {e}")
            return
        planned, seen, failed = self.tap(label, text)
        if planned is None:
            self.fail(f"{label}: the runner printed no plan (exit status {status})")
        elif seen < planned:
            self.fail(f"{label}: {planned - seen} tests did not run (exit status {status} of the runner)", planned - seen)
        elif status != 0 and failed == 0:
            self.fail(f"{label}: the runner ended with exit status {status}")

    def meson_file(self, status, label, path):
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                tests = [json.loads(line) for line in f if line.strip()]
        except (OSError, ValueError) as e:
            self.fail(f"{label}: {e}")
            return
        failed_before = self.failed
        for test in tests:
            self.meson_test(label, test)
        if not tests:
            self.fail(f"{label}: no test ran")
        if status != 0 and self.failed == failed_before:
            self.fail(f"{label}: the runner ended with exit status {status}")

    def meson_test(self, label, test):
        name = f"{label}: {test['name']}"
        result = test["result"]
        planned, seen, failed = self.tap(name, test.get("stdout") or "")
        if result in ("OK", "EXPECTEDFAIL"):
            if planned is None and seen == 0:
                self.passed += 1
            elif seen < (planned or 0):
                self.fail(f"{name}: {planned - seen} cases did not run", planned - seen)
        elif result == "SKIP":
            if seen == 0:
                self.skip(f"# skip {test['name']}")
        elif failed == 0:
            self.fail(f"{name}: {result}, exit status {test.get('returncode')}")


def main():
    count = Count()
    for arg in sys.argv[1:]:
        kind, rest = arg.split(":", 1)
        if kind == "broken":
            count.fail(rest)
            continue
        status, label, path = rest.split(":", 2)
        if kind == "meson":
            count.meson_file(int(status), label, path)
        elif kind == "tap":
            count.tap_file(int(status), label, path)
        else:
            sys.exit(__doc__)
    if count.passed + count.failed + count.skipped == 0:
        count.fail("nothing ran")
    for reason, n in sorted(count.skips.items()):
        print(f"skipped {n}: {reason}")
    for text in count.failures:
        print(f"failed: {text}")
    print(f"{count.passed} passed, {count.failed} failed, {count.skipped} skipped")
    return 1 if count.failed else 0


sys.exit(main())
