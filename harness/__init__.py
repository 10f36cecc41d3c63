"""A reproducible grading harness for PyTorch assignments.

Theory of operation
-------------------

Processes with plain data between them:

* The **parent** (`harness.cli`, `harness.pipeline`) never imports torch. It reads the assignment and the
  submission's manifest, starts the children, judges the rules, computes the grade and renders the reports.
* The **sandbox** (`harness.sandbox.client`, and `harness.sandbox.fork_server` in a process of its own)
  imports torch once and forks an **intake child** for every submission. Only such a child runs student code,
  after it has locked itself (`harness.sandbox.lock`). It imports the file, constructs the model, exports it
  with `torch.export` in train and eval mode, and hands back ``architecture.json`` and
  ``initial.safetensors``. A child that lies can only hand in another graph, and is graded on that graph.
* The **training child** (`harness.training.engine`) rebuilds the network from that data with a small
  interpreter (`harness.training.network`), runs it untrained (a *probe*), or trains it with the assignment's
  recipe and measures it on the test set, whose labels are with a process of their own
  (`harness.datasets.label_server`). It reads jobs from standard input and writes events, one JSON object a
  line, to standard output.

Everything known at the end is one `harness.record.record.Record`. Its *result* has no clock and no host in
it and is equal, byte for byte, for equal runs; the rest is *provenance*. Reports are rendered from
the record and never read back.

A run reads top down: `cli` opens the submission (`intake.submission`), `grade.grade` takes it in and
probes it (`run`), judges it (`analysis.rules.judge`), trains it (`run.train`), seals the record
(`record.sealed`), and `reporting.files` writes everything. `reporting.report` writes any report again from a
record, `reporting.readme` fills a README's blocks. Where nothing can be trained, `verify` judges the rules
live and takes a training over from a record made elsewhere, as far as it can be computed again.

A class is graded by `harness.cohort`: a **store** (a database and a folder, `cohort.store`) says what there
is to grade and who is at it; **graders** (`cohort.worker`, parents of boxes and training children themselves)
claim works from it and enter grades; the runner (`cohort.runner`) hands submissions in, starts the graders
and waits. They speak through the store alone. See docs/cohort.md.

Files of one run, under ``results/``: ``scorecard.json`` (the record), ``scorecard.md`` and
``scorecard.html``; per variant ``architecture.json``, ``initial.safetensors``, ``model_summary.txt``,
``train_log.csv``, ``classification_report.csv``, ``checkpoints/last.pth`` and ``checkpoints/best.pth``;
the pictures in ``plots/`` and what they are drawn from, see `harness.report.plots`.

Who may import whom is held by import-linter (see ``pyproject.toml``):
``cli > commands > screen > cohort > verify | reproduce > grade > trainings | probing > run > reporting |
intake | training > analysis > record | manifest > assignment > limits > tables > files | seeds | errors``.
"""

__version__ = "0.1.0"
