"""``siam-tracker doctor``: what this machine has, what is wrong with it, and what to do."""

from __future__ import annotations

import sys
from dataclasses import asdict

from siam_tracker_core.commands.answers import print_json
from siam_tracker_core.commands.checks import Finding, all_findings

_MARKS = {"good": "ok  ", "note": "note", "wrong": "!!  "}


def doctor(json: bool = False) -> None:
    """Check this machine; the output can be pasted into an issue. The exit status is 1 if something does not work.

    Args:
        json: print a list of findings for a script.
    """
    found = all_findings()
    if json:
        print_json([asdict(finding) for finding in found])
    else:
        print(findings_text(found))
    sys.stdout.flush()
    if any(finding.level == "wrong" for finding in found):
        raise SystemExit(1)


def findings_text(found: list[Finding]) -> str:
    """One line a finding, and below it the remedy where there is one."""
    width = max(len(finding.subject) for finding in found)
    lines = []
    for finding in found:
        lines.append(f"{_MARKS[finding.level]}  {finding.subject:{width}}  {finding.state}")
        if finding.remedy:
            lines.append(f"{'':{width + 8}}-> {finding.remedy}")
    wrong = sum(finding.level == "wrong" for finding in found)
    lines.append(f"\n{wrong} of {len(found)} do not work" if wrong else "\nnothing is wrong")
    return "\n".join(lines)
