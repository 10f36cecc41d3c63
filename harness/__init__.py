"""A reproducible grading harness for PyTorch assignments.

Theory of operation
-------------------

Processes with plain data between them:

* The **parent** (`harness.cli`, `harness.pipeline`) never imports torch. It reads the assignment and the
  submission's manifest, starts the children, judges the rules, computes the grade and renders the reports.
* The **sandbox** (`harness.sandbox.client`, and `harness.sandbox.fork_server` in a process of its own)
  imports torch once and forks a **loader child** for every submission (`harness.loader.child`). Only such
  a child runs student code, after it has locked itself (`harness.sandbox.lock`). It imports the file,
  constructs the model, exports it with `torch.export` in train and eval mode, and returns
  ``architecture.json`` and ``initial.safetensors``. A child that lies can only return another graph, and
  is graded on that graph.
* The **training child** (`harness.training.worker`) rebuilds the network from that data with a small
  interpreter (`harness.training.network`), runs it untrained (a *probe*), or trains it with the
  assignment's recipe and measures it on the test set, whose labels are held by the **label server**
  (`harness.datasets.label_server`). It reads jobs from standard input and writes events, one JSON object a
  line, to standard output.

Everything known at the end is one `harness.record.record.Record`. Its *result* has no clock and no host in
it and is equal, byte for byte, for equal runs; the rest is *provenance*. Reports are rendered from the
record and never read back.

A run reads top down: `cli` opens the submission (`sources.submission`), `pipeline` loads, probes, judges
(`rules.judging`) and trains it and seals the record (`record.sealed`), and `report` renders it.
`report.report` writes any report again from a record, `report.readme` fills a README's blocks. Where
nothing can be trained, `pipeline.verify` judges the rules live and takes a training over from a record
made elsewhere, as far as it can be computed again.

A class is graded by `harness.cohort`: a **store** (a database and a folder, `cohort.store`) knows the
tasks and who has claimed them; **graders** (`cohort.worker`, parents of sandboxes and training children
themselves) claim tasks and enter grades; the runner (`cohort.runner`) ingests submissions, starts the
graders and waits. They communicate through the store alone. See docs/cohort.md.

Files of one run, under ``results/``: ``scorecard.json`` (the record), ``scorecard.md`` and
``scorecard.html``; per variant ``architecture.json``, ``initial.safetensors``, ``model_summary.txt``,
``train_log.csv``, ``classification_report.csv``, ``checkpoints/last.pth`` and ``checkpoints/best.pth``;
the pictures in ``plots/`` and what they are drawn from, see `harness.report.plots`.

The order of the folders, of which each imports only from those below it, is in ``pyproject.toml`` and held
by import-linter.
"""

__version__ = "0.1.0"
