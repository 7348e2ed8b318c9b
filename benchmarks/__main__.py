"""Every benchmark, each in a process of its own: `make bench`, or some: `python -m benchmarks market_lake`."""

import subprocess
import sys
from pathlib import Path


def main(wanted: list[str]) -> int:
    """Run the benchmarks of these names, or all; the exit code is that of the first that failed."""
    all_names = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if "def main(" in path.read_text())
    names = wanted or [name for name in all_names if name != "__main__"]
    for name in names:
        print(f"\n## {name}\n", flush=True)
        code = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
