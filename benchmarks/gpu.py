"""Show on one GPU, in less than eight minutes, what no CPU can show of the harness.

    make gpu
    python benchmarks/gpu.py --out build/gpu --pack build/cifar10-pack
    python benchmarks/gpu.py --device cpu --quick

Whether every allowed operator, whole trainings and the recorded steps give the same bytes twice; the accuracy
and the seconds of both reference networks; how many trainings a card does at once; what a step waits for.
CIFAR-10 is used where it is, or the pack that `benchmarks/pack_cifar.py` has made of it, or else the embedded
images, whose accuracy says nothing. Nothing is downloaded.

Every part has its own process and its own time, and writes what it has at once: ``gpu.json`` and ``gpu.md``
in the folder of results hold everything that was reached.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from gpu_parts import PARTS
from gpu_trainings import TOGETHER_EPOCHS, Bench, train_on_command

from harness.training.determinism import make_deterministic
from harness.training.fingerprint import fingerprint


def main() -> int:
    asked = _arguments()
    if asked.device == "cuda" and not torch.cuda.is_available():
        print(
            "gpu: no CUDA device that torch can use, so nothing was measured; run it where there is one, "
            "or try it small with --device cpu --quick.",
            file=sys.stderr,
        )
        return 2
    bench = Bench(torch.device(asked.device), asked.pack, asked.quick)
    if asked.on_command:
        train_on_command(bench, 1 if asked.quick else TOGETHER_EPOCHS)
        return 0
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.part:
        _run(bench, asked.part, asked.out)
        return 0
    return _run_all(asked)


def table(results: Mapping[str, Any]) -> str:
    """Write the results as Markdown: a line for each, and below it what does not fit into one."""
    lines = ["| Part | What | Result |", "|:--|:--|:--|"]
    for part, found in results["parts"].items():
        rows = {key: value for key, value in found.items() if key != "seconds"}
        lines += [f"| `{part}` | {what} | {_cell(value)} |" for what, value in rows.items()]
        lines.append(f"| `{part}` | took | {found.get('seconds', '?')} s |")
    lines += ["", "Measured with:", ""]
    lines += [f"- {key}: {value}" for key, value in results["fingerprint"].items()]
    for part, found in results["parts"].items():
        for what, value in found.items():
            if isinstance(value, dict) and "table" in value:
                lines += ["", f"`{part}`, {what}:", "", "```text", value["table"].strip(), "```"]
    return "\n".join(lines) + "\n"


# Private functions

_IN_JSON = ("table", "weights_sha256", "train_loss", "epoch_s")
"""What is too long for a cell."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="every part small: to try the script itself")
    parser.add_argument("--out", type=Path, default=Path("build/gpu"), help="the folder of results")
    parser.add_argument("--pack", type=Path, default=Path("build/cifar10-pack"))
    parser.add_argument("--patience", type=float, help="times every part's limit; 1, or 5 if it is quick")
    parser.add_argument("--part", choices=PARTS, help="this part alone, without a limit")
    parser.add_argument("--on-command", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(bench: Bench, part: str, out: Path) -> None:
    """Run a part, and write all it has whenever it has more."""
    found: dict[str, Any] = {}
    started = time.monotonic()
    for name, result in PARTS[part][0](bench):
        found |= {name: result, "seconds": round(time.monotonic() - started, 1)}
        (out / f"{part}.json").write_text(json.dumps(found))


def _run_all(asked: argparse.Namespace) -> int:
    make_deterministic(2)
    results: dict[str, Any] = {"fingerprint": fingerprint(torch.device(asked.device)), "parts": {}}
    for part, found in _all_parts(asked):
        results["parts"][part] = found
        (asked.out / "gpu.json").write_text(json.dumps(results, indent=1) + "\n")
        (asked.out / "gpu.md").write_text(table(results))
        print(f"{part}: {found.get('seconds', 0)} s{'; ' + found['stopped'] if 'stopped' in found else ''}")
    print(f"results: {asked.out / 'gpu.json'} and {asked.out / 'gpu.md'}")
    return int(any("stopped" in found for found in results["parts"].values()))


def _all_parts(asked: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    patience = (5 if asked.quick else 1) if asked.patience is None else asked.patience
    for part, limit_s in ((part, seconds * patience) for part, (_, seconds) in PARTS.items()):
        file = asked.out / f"{part}.json"
        file.unlink(missing_ok=True)
        command = [sys.executable, __file__, "--part", part, "--device", asked.device]
        command += ["--out", str(asked.out), "--pack", str(asked.pack), *["--quick"] * asked.quick]
        stopped = ""
        try:
            status = subprocess.run(command, timeout=limit_s, check=False).returncode
            stopped = f"ended with exit code {status}" if status else ""
        except subprocess.TimeoutExpired:
            stopped = f"stopped after {limit_s:g} s"
        found = json.loads(file.read_text()) if file.exists() else {}
        yield part, found | ({"stopped": stopped} if stopped else {})


def _cell(value: Any) -> str:
    """Say a result in a cell of a table."""
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(one)}" for key, one in value.items() if key not in _IN_JSON)
    if isinstance(value, list):
        return " ".join(map(_cell, value)).replace("|", "\\|") or "none"
    return str(value).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
