"""From stored instances to B-mode frames: which to read, and what is in them.

``select`` decides by headers alone, ``read`` decodes. Bad content never raises: it comes back as
``Dropped`` with a reason.
"""

from workers.frames.asked import image_layout, read_asked
from workers.frames.instance import StoredInstance
from workers.frames.reading import read
from workers.frames.selection import Selection, select
from workers.frames.view import view_names

__all__ = [
    "Selection",
    "StoredInstance",
    "image_layout",
    "read",
    "read_asked",
    "select",
    "view_names",
]
