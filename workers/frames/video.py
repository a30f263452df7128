"""Frames out of MPEG-2, H.264 and HEVC streams (PS3.5 8.2.5 to 8.2.8), in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import RawIOBase

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from node.errors import FrameError
from workers.findings import Reason
from workers.messages import say


def frames(
    stream: RawIOBase, indices: Sequence[int], rows: int, columns: int, limit: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The frames of these indices (from 0, rising) as (rows, columns, 3) uint8 RGB.

    Frames between them are decoded, as prediction needs, but not converted. Ends early where the
    stream does.

    stream : can be sought in; it is read as far as needed, and never held whole
    rows, columns : of the DICOM header; limit : bytes that one frame may have

    Raises FrameError: TOO_LARGE, UNREADABLE when the stream has another size, UNDECODABLE.
    """
    wanted = set(indices)
    try:
        with av.open(stream, mode="r") as container:
            if not container.streams.video:
                raise FrameError(say("the stream holds no video"), Reason.UNDECODABLE)
            video = container.streams.video[0]
            _check(video.codec_context.height, video.codec_context.width, rows, columns, limit)
            video.thread_type = "AUTO"
            for index, frame in enumerate(container.decode(video)):
                if index in wanted:
                    _check(frame.height, frame.width, rows, columns, limit)
                    yield index, np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                    if index == indices[-1]:
                        return
    except FFmpegError as error:
        words = say("video: {error}", error=type(error).__name__)
        raise FrameError(words, Reason.UNDECODABLE) from error


def _check(height: int, width: int, rows: int, columns: int, limit: int) -> None:
    if 3 * height * width > limit:
        raise FrameError(
            say(
                "the video has frames of {width} x {height} pixels: more than {limit} MiB",
                width=width,
                height=height,
                limit=limit >> 20,
            ),
            Reason.TOO_LARGE,
        )
    if (height, width) != (rows, columns):
        raise FrameError(
            say(
                "columns and rows are {columns} x {rows} in the header, {width} x {height} in the "
                "video",
                columns=columns,
                rows=rows,
                width=width,
                height=height,
            ),
            Reason.UNREADABLE,
        )
