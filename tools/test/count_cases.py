#!/usr/bin/env python3
"""Count the test cases in Meson's logs: count_cases.py TESTLOG.json...

Names each failed case, then prints "N passed, N failed, N skipped". Fails if a case failed, a log is
missing, or nothing ran.
"""

import json
import re
import sys

RESULT = re.compile(r"^( *)(not ok|ok)\b *\d* *-? *(.*?)(?: +# *(SKIP|TODO)\b.*)?$", re.IGNORECASE)
# A case that one build skipped and another ran was run; one failure anywhere is a failure: the largest counts.
SKIPPED, PASSED, FAILED = 0, 1, 2


def cases_of(tap):
    """Yields (name, result) for each leaf of the TAP text: a line that closes a subtest only repeats its cases."""
    depth = 0
    for line in tap.splitlines():
        match = RESULT.match(line)
        if not match:
            continue
        indent, verdict, name, directive = match.groups()
        closes_subtest, depth = len(indent) < depth, len(indent)
        if closes_subtest and verdict == "ok":
            continue
        if directive:
            yield name, SKIPPED
        else:
            yield name, PASSED if verdict == "ok" else FAILED


def cases_of_test(test):
    """The cases of one of Meson's tests, and one of its own if it failed otherwise: a crash, a leak, a timeout."""
    found = list(cases_of(test.get("stdout") or ""))
    failed = test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")
    if failed and all(result != FAILED for _, result in found):
        found.append((f"({test['result'].lower()}, exit status {test['returncode']})", FAILED))
    if not found:
        found.append(("", SKIPPED if test["result"] == "SKIP" else PASSED))
    return found


def main():
    results, status = {}, 0
    for path in sys.argv[1:]:
        try:
            with open(path, encoding="utf-8") as log:
                tests = [json.loads(line) for line in log if line.strip()]
        except OSError as error:
            print(f"no test log: {error}", file=sys.stderr)
            status = 1
            continue
        for test in tests:
            for name, result in cases_of_test(test):
                case = f"{test['name']} {name}"
                results[case] = max(results.get(case, SKIPPED), result)
    for case, result in results.items():
        if result == FAILED:
            print(f"FAILED: {case}")
    passed, failed, skipped = (list(results.values()).count(r) for r in (PASSED, FAILED, SKIPPED))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if status or failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
