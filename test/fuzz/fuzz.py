"""Coverage-guided fuzzing with atheris: `make fuzz` or `python test/fuzz/fuzz.py ENTRY --runs 1000000`.

Inputs that raise anything but the package's own errors are written to ``build/fuzz/ENTRY/``; a mended one is put into
``test/fuzz/found/ENTRY/``, where the tests run it for ever.

An entry runs in rounds, each a process of its own that goes on from what the rounds before it kept as worth changing.
Instrumented, atheris 3.0.0 holds on to the result of each comparison for ever: nothing for True and False, but an array
for each ``array <= limit``. A million executions of vot_file took 1.4 GB for it, and the limit of memory could not have
told a fault of the reader any longer.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
ROUND = 250_000


def fuzz(name: str, runs: int, seconds: int, out: Path, kept: Path) -> None:
    """Fuzz one entry in this process, which ends with it; the status is not 0 where a fault was found."""
    import atheris

    with atheris.instrument_imports(include=["siam_tracker_core", "siam_tracker_ros", "yaml", "rosbags"]):
        import entries
    import corpus

    logging.disable(logging.CRITICAL)
    out.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(corpus.seeds(name)):
        (kept / f"seed{number}").write_bytes(seed)
    options = [f"-runs={runs}", f"-artifact_prefix={out}/", "-rss_limit_mb=1500", "-max_len=100000", "-timeout=60"]
    if seconds:
        options.append(f"-max_total_time={seconds}")
    atheris.Setup([sys.argv[0], *options, str(kept)], lambda data: entries.run(name, data))
    atheris.Fuzz()


def fuzz_in_rounds(name: str, runs: int, seconds: int, out: Path, of: int) -> tuple[int, str]:
    """Fuzz one entry in processes of its own, until the runs or seconds are over or one finds a fault.

    Returns:
        The status, and the last lines that tell of each round, or all of a round that failed.
    """
    end, told = time.monotonic() + seconds, []
    with tempfile.TemporaryDirectory() as kept:
        while runs > 0 and (not seconds or time.monotonic() < end):
            here = min(runs, of)
            left = max(1, round(end - time.monotonic())) if seconds else 0
            options = [f"--runs={here}", f"--seconds={left}", f"--out={out}", f"--kept={kept}"]
            run = subprocess.run([sys.executable, __file__, name, *options], capture_output=True, text=True)
            if run.returncode:
                return run.returncode, f"{run.stdout[-3000:]}\n{run.stderr[-3000:]}"
            told += [line for line in run.stderr.splitlines() if "DONE" in line]
            runs -= here
    return 0, "\n".join(told)


def main() -> int:
    """Run the command line: one entry here, or all of them one after the other in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("entry", nargs="?", default="all", help="name of an entry of entries.py (default: all)")
    parser.add_argument("--runs", type=int, default=1_000_000, help="executions of each (default: 1000000)")
    parser.add_argument("--seconds", type=int, default=0, help="at most this long each (default: no limit)")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"), help="folder for what is found")
    parser.add_argument("--round", type=int, default=ROUND, help=f"executions of each process (default: {ROUND})")
    parser.add_argument("--kept", type=Path, help=argparse.SUPPRESS)  # of a round: the folder that rounds share
    given = parser.parse_args()
    if given.kept is not None:
        fuzz(given.entry, given.runs, given.seconds, given.out / given.entry, given.kept)
        return 0
    from entries import ENTRIES

    outcomes = {}
    for name in ENTRIES if given.entry == "all" else [given.entry]:
        status, told = fuzz_in_rounds(name, given.runs, given.seconds, given.out, given.round)
        outcomes[name] = status
        print(f"{name:20} {'FAULT' if status else 'whole'}", told, sep="\n", flush=True)
    return int(any(outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
