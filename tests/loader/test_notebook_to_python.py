"""What Python runs of a notebook's cell: what is IPython's does nothing, and all else is as it was."""

import ast
from pathlib import Path

import pytest
from torch.nn import modules

from harness.loader.notebook_to_python import modules_of, python_of


@pytest.mark.parametrize(
    "source",
    [
        "x = F.max_pool2d(x, 3)  # is this still needed?",
        'text = """\n%matplotlib inline\n!ls\nwhich?\n"""',
        "x = (1\n  % 3,\n  a\n  != b)",
        "x = a \\\n  % b",
        "x = f'{y!r:>{width}}'",
        "d = {\n  'a?': 1,  # why?\n}",
        'def f():\n    r"""\n    >>> f()\n    ... 1\n   \n    """',
        "pip = 3",
        "cd, ls = 1, 2",
    ],
)
def test_what_only_looks_like_ipython_s_stays(source):
    assert python_of(source).source.strip("\n") == source


@pytest.mark.parametrize("file", sorted(Path(modules.__path__[0]).glob("*.py")), ids=lambda file: file.stem)
def test_the_sources_of_torch_s_layers_stay_to_the_letter(file):
    source = file.read_text()
    assert python_of(source).source == source


@pytest.mark.parametrize(
    ("source", "runs"),
    [
        ("!pip install torch", "pass"),
        ("%matplotlib inline", "pass"),
        ("nn.Conv2d?", "pass"),
        ("??model", "pass"),
        ("%%bash\nls | grep x", ""),
        ("%%script false\nraise SystemExit", ""),
        ("%%writefile notes.txt\nnot = Python", ""),
        ("pip install -q torchsummary", ""),
        ("cd ../data", ""),
        ("%time net = Net()", "net = Net()"),
        ("%timeit net(x)", "pass"),
        ("%%time\nx = 1\n!ls", "\nx = 1\npass"),
        ("%%capture out\n%%time\nx = 1", "\n\nx = 1"),
        ("\n\n%%time\nx = 1", "\n\n\nx = 1"),
        ("!pip install \\\n  torch \\\n  torchvision\nx = 1", "pass\n\n\nx = 1"),
        (
            "if colab:\n    !pip install x\nelse:\n    %cd data\nx = 1",
            "if colab:\n    pass\nelse:\n    pass\nx = 1",
        ),
        ("def f():\n    %time g()\n    return 1", "def f():\n    g()\n    return 1"),
        (">>> x = 1\n>>> y = 2", "x = 1\ny = 2"),
        ("In [3]: x = 1\n   ...: y = 2", "x = 1\ny = 2"),
        ("  x = 1\n  y = 2", "x = 1\ny = 2"),
    ],
)
def test_what_is_ipython_s_does_nothing_and_every_line_keeps_its_number(source, runs):
    assert python_of(source).source.rstrip("\n") == runs
    ast.parse(runs)


@pytest.mark.parametrize("value", ["!ls \\\n  data", "%env HOME"])
def test_a_value_that_a_command_gives_is_asked_of_ipython(value):
    source = python_of(f"files = {value}\nx = 1").source
    assert source.startswith("files = get_ipython().")
    assert source.splitlines().index("x = 1") == value.count("\n") + 1


def test_a_cell_that_ipython_cannot_read_is_left_to_python():
    source = "if x:\n        y = 1\n    z = 2\n!ls\n"
    assert python_of(source).source == source


@pytest.mark.parametrize(
    "magic", ["%%writefile model.py", "%%file model.py", "%%writefile -a model.py", '%%writefile "model.py"']
)
def test_a_cell_that_writes_a_python_file_is_that_file(magic):
    cell = python_of(f"\n{magic}\n%x = 1 ?\n")
    assert (cell.source, cell.writes) == ("\n\n%x = 1 ?\n", "model.py")


def test_a_written_file_may_be_imported_by_its_name_and_from_its_folders():
    assert modules_of("./model.py") == ["model"]
    assert modules_of("/content/models/net.py") == [
        "content", "content.models", "models", "content.models.net", "models.net", "net",
    ]  # fmt: skip
