"""Coverage-guided fuzzing with atheris: `make fuzz` or `python test/fuzz/fuzz.py ENTRY --runs 1000000`.

Inputs that raise anything but the package's own errors are written to ``build/fuzz/ENTRY/``; a mended one is put into
``test/fuzz/found/ENTRY/``, where the tests run it for ever.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]


def fuzz(name: str, runs: int, seconds: int, out: Path) -> None:
    """Fuzz one entry in this process, which ends with it; the status is not 0 where a fault was found."""
    import atheris

    with atheris.instrument_imports(include=["siam_tracker_core", "siam_tracker_ros", "yaml", "rosbags"]):
        import entries
    import corpus

    logging.disable(logging.CRITICAL)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(corpus.seeds(name)):
            Path(folder, f"seed{number}").write_bytes(seed)
        options = [f"-runs={runs}", f"-artifact_prefix={out}/", "-rss_limit_mb=1500", "-max_len=100000", "-timeout=60"]
        if seconds:
            options.append(f"-max_total_time={seconds}")
        atheris.Setup([sys.argv[0], *options, folder], lambda data: entries.run(name, data))
        atheris.Fuzz()


def main() -> int:
    """Run the command line: one entry here, or all of them one after the other in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("entry", nargs="?", default="all", help="name of an entry of entries.py (default: all)")
    parser.add_argument("--runs", type=int, default=1_000_000, help="executions of each (default: 1000000)")
    parser.add_argument("--seconds", type=int, default=0, help="at most this long each (default: no limit)")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"), help="folder for what is found")
    given = parser.parse_args()
    if given.entry != "all":
        fuzz(given.entry, given.runs, given.seconds, given.out / given.entry)
        return 0
    from entries import ENTRIES

    options = [f"--runs={given.runs}", f"--seconds={given.seconds}", f"--out={given.out}"]
    outcomes = {}
    for name in ENTRIES:
        run = subprocess.run([sys.executable, __file__, name, *options], capture_output=True, text=True)
        done = [line for line in run.stderr.splitlines() if "DONE" in line or line.startswith("Done ")]
        outcomes[name] = run.returncode
        print(f"{name:20} {'whole' if run.returncode == 0 else 'FAULT'}  {done[-1] if done else ''}", flush=True)
        if run.returncode:
            print(run.stdout[-3000:], run.stderr[-3000:], sep="\n", flush=True)
    return int(any(outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
