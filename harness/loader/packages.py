"""Packages that submissions import: told from the files of their authors by name."""

import importlib.machinery

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
