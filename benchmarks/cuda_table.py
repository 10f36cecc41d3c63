"""Write the tables of docs/cuda.md: what every operator of the allow-list does on CUDA.

`python benchmarks/cuda_table.py` puts them into the page; a test compares.
"""

from collections.abc import Iterator
from pathlib import Path

from harness.graph.cuda import REPLACED, OnCuda, on_cuda
from harness.graph.operators import OPS

PAGE = Path(__file__).parents[1] / "docs" / "cuda.md"
BEGIN, END = "<!-- operators -->\n", "<!-- end of operators -->\n"

AS_THEY_ARE: dict[OnCuda, str] = {
    "fixed": "One kernel, which adds in a fixed order or adds nothing",
    "switched": "Strict mode takes another kernel, forward or backward",
    "workspace": "A library call, repeatable with a fixed workspace (`CUBLAS_WORKSPACE_CONFIG`, set)",
    "drawn": "Random numbers",
    "number": "Arithmetic on sizes; nothing runs on a device",
}


def tables() -> str:
    """Write both tables in Markdown: what is replaced, and what runs as it is."""
    return "\n".join([*_replaced(), "", *_as_they_are(), ""])


def main() -> None:
    """Put the tables into the page."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(before + BEGIN + tables() + END + rest.partition(END)[2])


# Private functions


def _replaced() -> Iterator[str]:
    yield "| Operator | When CUDA does not repeat it | What strict mode says | What is run in its place |"
    yield "|:--|:--|:--|:--|"
    for op, how in REPLACED.items():
        says = ", ".join(f"`{alert}`" for alert in how.alerts) or "nothing: it does not raise"
        yield f"| `{_short(op)}` | {how.when} | {says} | {how.instead} |"


def _as_they_are() -> Iterator[str]:
    yield "| On CUDA | Operators |"
    yield "|:--|:--|"
    for word, meaning in AS_THEY_ARE.items():
        named = ", ".join(f"`{_short(op)}`" for op in OPS if on_cuda(op) == word)
        yield f"| {meaning} | {named} |"


def _short(op: str) -> str:
    return op.removeprefix("aten.").removesuffix(".default")


if __name__ == "__main__":
    main()
