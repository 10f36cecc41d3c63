"""Stand in for what a student's file imports and a model does not need: plots, progress bars, summaries.

Importing such a module works, and so does what student code does with it while the file is imported. Using
one while the model is built or runs is an error that names it.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import Any, NoReturn

_PLOTS_AND_TOOLS = """
    IPython albumentations altair bokeh captum comet_ml cv2 fire google gdown gradio graphviz hiddenlayer
    ipywidgets kaggle livelossplot matplotlib mlflow neptune netron opendatasets optuna pandas plotly
    prettytable ptflops pynvml pytorch_grad_cam pytorch_model_summary ray seaborn skimage sklearn streamlit
    tensorboard tensorboardX thop torch_lr_finder torch_optimizer torch_summary torch_xla torchlens torchscan
    torchstat torchsummary torchsummaryX torchview torchviz tqdm wandb
"""
_PARTS_OF_MODELS = """
    fvcore iopath lightning lightning_fabric lightning_utilities pytorch_lightning timm torchmetrics
"""
_OTHERS = """
    absl accelerate addict apex attrs bitsandbytes boto3 braceexpand catalyst chainer chex clearml click
    colorama coremltools cupy cvxpy dali dask deepspeed detectron2 dgl diffusers e2cnn easydict einops
    escnn fairscale faiss fastai fastcore fastprogress ffcv flax fsspec gluoncv gpytorch gym gymnasium
    h5py haiku higher huggingface_hub hydra ignite imageio imgaug imutils inplace_abn jax jaxtyping joblib
    keras kornia kornia_rs libcst lion_pytorch lmdb loguru lpips mamba_ssm ml_collections mmcls mmcv mmdet
    mmengine monai natten nltk numba nvidia omegaconf onnx onnxruntime opacus openpyxl peft PIL pkbar
    pl_bolts prefetch_generator pretrainedmodels psutil pyarrow pydantic pydicom pyro pytorchcv requests
    rich rotary_embedding_torch safetensors schedulefree scipy segmentation_models_pytorch sentencepiece
    simplejson spacy sparseconv spconv submitit tabulate tensorflow tensorrt termcolor tinygrad tokenizers
    toml torch2trt torch_geometric torch_pruning torch_scatter torch_sparse torchattacks torchaudio
    torchdata torchdiffeq torchdyn torchgeo torchsde torchtext torchtoolbox torchtyping torchvision torchx
    transformers triton typer ujson vit_pytorch webdataset x_transformers xformers yacs yaml
"""
STUBBED = frozenset(_PLOTS_AND_TOOLS.split())
"""Top-level modules that are never imported, installed or not: no model is made of them."""
STUBBED_IF_MISSING = frozenset(_PARTS_OF_MODELS.split())
"""Top-level modules that models are made of, and that scripts import without need: they come if installed."""
_PACKAGES = STUBBED | STUBBED_IF_MISSING | frozenset(_OTHERS.split())


def is_package(module: str) -> bool:
    """Return whether a module is a known package, and not one that a student may have made."""
    return module.partition(".")[0] in _PACKAGES


def is_installed(package: str) -> bool:
    """Return whether a top-level module can be imported from where Python looks for modules."""
    return importlib.machinery.PathFinder.find_spec(package) is not None


class NotThereError(Exception):
    """Student code used a module that stands in for the real one."""


class Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of `STUBBED`, unless the submission brings its own; `used` are those asked for.

    What models are made of stands in only where it is not installed. What is installed gets what it imports
    itself, never a module that stands in.
    """

    def __init__(self) -> None:
        self.used: list[str] = []
        self.importing = True
        self.folders: Sequence[Path] = ()

    def install(self) -> None:
        """Register before every other finder, and remove what the harness itself has imported."""
        sys.meta_path.insert(0, self)
        # One by one first: there are thousands of modules, and mostly none of these.
        if any(name in sys.modules for name in STUBBED):
            for name in [name for name in sys.modules if name.partition(".")[0] in STUBBED]:
                del sys.modules[name]

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None,  # noqa: ARG002 - importlib's signature
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec for a name of `STUBBED` and all below it."""
        top = name.partition(".")[0]
        if top not in STUBBED | STUBBED_IF_MISSING or any(
            (folder / f"{top}.py").exists() or (folder / top).is_dir() for folder in self.folders
        ):
            return None
        if top in STUBBED_IF_MISSING and is_installed(top):
            self._forget()
            return None
        # matplotlib cannot be imported without a folder to write to.
        if top != "matplotlib" and _is_asked_by_a_package() and is_installed(top):
            return None
        if self.importing and top not in self.used:
            self.used.append(top)
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def _forget(self) -> None:
        """Make room for the real modules: a package would find those that stand in."""
        for name in [name for name, module in sys.modules.items() if isinstance(module, _Module)]:
            del sys.modules[name]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Make a module that has every attribute."""
        return _Module(spec.name, self)

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing: a stub has no code."""


class _Module(ModuleType):
    def __init__(self, name: str, stubs: Stubs) -> None:
        super().__init__(name)
        self._stubs = stubs

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Thing(f"{self.__name__}.{name}", self._stubs)


class _Thing:
    """Something of a stubbed module."""

    def __init__(self, name: str, stubs: Stubs) -> None:
        self._name, self._stubs = name, stubs

    def __getattr__(self, name: str) -> "_Thing":
        if name.startswith("__"):
            raise AttributeError(name)
        return self._next(f".{name}")

    def __call__(self, *_: object, **__: object) -> "_Thing":
        return self._next("()")

    def __getitem__(self, _: object) -> "_Thing":
        return self._next("[]")

    def __iter__(self) -> Iterator["_Thing"]:
        self._next("")
        return iter(())

    def __enter__(self) -> "_Thing":
        return self._next("")

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None: ...

    def __mro_entries__(self, _: object) -> NoReturn:
        self._refuse()

    def _next(self, what: str) -> "_Thing":
        if not self._stubs.importing:
            self._refuse()
        return _Thing(self._name + what, self._stubs)

    def _refuse(self) -> NoReturn:
        raise NotThereError(f"{self._name} is not available while a submission is graded")


def _is_asked_by_a_package() -> bool:
    """Return whether the import that is going on is written in a file of an installed package.

    torch's own files do not count: what they import on the way is for plots and logs.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    _, found, inside = (frame.f_code.co_filename if frame is not None else "").partition("/site-packages/")
    return bool(found) and not inside.startswith(("torch/", "torchvision/"))
