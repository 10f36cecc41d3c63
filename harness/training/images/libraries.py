"""Albumentations and OpenCV: imported when a training varies its images with them, and not before.

They take seconds to import, and a recipe without augmentation is trained where they are not installed.
"""

import importlib
from typing import TYPE_CHECKING, Any

from harness.base.errors import UsageError
from harness.base.installation import how_to_install

if TYPE_CHECKING:
    import albumentations
    import cv2

__all__ = ["albumentations", "cv2"]


class _Imported:
    """Stand for a module, which is imported when something in it is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        """Return what the module has.

        Raises:
            UsageError: it cannot be imported.
        """
        try:
            return getattr(importlib.import_module(self._name), attribute)
        except ImportError as error:
            raise UsageError(
                f"recipe.augmentation: {self._name} cannot be imported ({error}), and the recipe varies the "
                f"images with it. Install it: {how_to_install('albumentations', 'opencv-python-headless')}. "
                "A recipe without augmentation needs neither."
            ) from None


if not TYPE_CHECKING:
    albumentations = _Imported("albumentations")
    cv2 = _Imported("cv2")
