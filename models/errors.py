"""The tree of errors that ``models`` raises.

ModelError
├── BundleError      a model bundle is missing, damaged or of another kind than asked for
├── ImageError       an image has a shape or type that the models cannot read
└── TrainingError    a manifest, weight file or argument of a training command is unusable
"""


class ModelError(Exception):
    """Base class: catch this one to catch every error of ``models``."""


class BundleError(ModelError):
    """A bundle cannot be used; the text names the bundle, what is wrong and what to do."""


class ImageError(ModelError):
    """An image is not a two-dimensional uint8 array with at least one pixel."""


class TrainingError(ModelError):
    """Training or evaluation cannot start; the text names the file or argument at fault."""
