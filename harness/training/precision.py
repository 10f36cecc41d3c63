"""The devices that compute bfloat16 by themselves."""

import torch

from harness.base.machine import computes_bfloat16


def native_bfloat16(device: torch.device) -> bool:
    """Return whether the device computes products of bfloat16 by itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return computes_bfloat16()
