"""Which frames of a study are to be analysed: decided by headers, without decoding a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from node.errors import FrameError
from node.settings import Analysis
from workers.findings import Dropped, FrameRef, Reason
from workers.frames.header import opened, quiet
from workers.frames.instance import StoredInstance, present, usable_layout
from workers.frames.sampling import evenly, quotas
from workers.messages import say


@dataclass(frozen=True)
class Selection:
    """``frames`` in order of series, instance number, instance UID and frame number."""

    frames: tuple[FrameRef, ...]
    dropped: tuple[Dropped, ...]


@dataclass(frozen=True)
class _Loop:
    """An instance that can be analysed: ``present`` frames of the ``said`` ones."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    instance_number: int
    said: int
    present: int

    @property
    def order(self) -> tuple[str, int, str]:
        return (self.series_instance_uid, self.instance_number, self.sop_instance_uid)

    def frame(self, index: int) -> FrameRef:
        return FrameRef(
            sop_instance_uid=self.sop_instance_uid,
            sop_class_uid=self.sop_class_uid,
            series_instance_uid=self.series_instance_uid,
            number=index + 1,
            number_of_frames=self.said,
        )


def select(instances: Sequence[StoredInstance], settings: Analysis) -> Selection:
    """The frames to read, and every instance that gives none or not all, with the reason.

    A loop gives ``frames_per_cine`` frames, a study ``frames_per_study``, evenly. Frames left out
    are told in one ``Dropped`` per instance. The order of ``instances`` does not matter.

    Raises StorageError when a file cannot be opened or read; bad content never raises.
    """
    loops: list[_Loop] = []
    dropped: list[Dropped] = []
    for instance in instances:
        try:
            loop, notes = _inspect(instance, settings)
        except FrameError as error:
            uid, reason = instance.sop_instance_uid, Reason(error.reason)
            dropped.append(Dropped(uid, None, reason, str(error)))
        else:
            loops.append(loop)
            dropped += notes
    loops.sort(key=lambda loop: loop.order)
    wanted = [min(loop.present, settings.frames_per_cine) for loop in loops]
    frames: list[FrameRef] = []
    for loop, want, given in zip(
        loops, wanted, quotas(wanted, settings.frames_per_study), strict=True
    ):
        frames += [loop.frame(index) for index in evenly(loop.present, given)]
        if given < loop.present:
            most = settings.frames_per_study if given < want else None
            detail = _not_sampled(loop.present - given, loop.present, most)
            dropped.append(Dropped(loop.sop_instance_uid, None, Reason.NOT_SAMPLED, detail))
    dropped.sort(key=lambda drop: (drop.sop_instance_uid, drop.reason, drop.detail))
    return Selection(tuple(frames), tuple(dropped))


def _not_sampled(count: int, present: int, most: int | None) -> str:
    """most : of a study, where that is why."""
    if most is None:
        return say("{count} of {all} frames not sampled", count=count, all=present)
    return say(
        "{count} of {all} frames not sampled: a study gives {most} frames at most",
        count=count,
        all=present,
        most=most,
    )


def frame_of(instance: StoredInstance, number: int, settings: Analysis) -> FrameRef:
    """The reference of a frame that somebody asks for, counted from 1, selected or not.

    Raises FrameError where it cannot be read, StorageError as ``select`` does.
    """
    loop, _ = _inspect(instance, settings)
    if not 1 <= number <= loop.present:
        words = say("the file holds {frames} frames", frames=loop.present)
        raise FrameError(words, Reason.UNDECODABLE)
    return loop.frame(number - 1)


def _inspect(instance: StoredInstance, settings: Analysis) -> tuple[_Loop, list[Dropped]]:
    uid = instance.sop_instance_uid
    if instance.own_result:
        raise FrameError("", Reason.OWN_RESULT)
    limit = settings.max_decoded_mib << 20
    with opened(instance.path, limit) as (header, stream), quiet():
        said = usable_layout(header, limit)
        held, difference = present(stream, header, said)
    loop = _Loop(
        sop_instance_uid=uid,
        sop_class_uid=header.sop_class_uid,
        series_instance_uid=header.series_instance_uid,
        instance_number=header.instance_number,
        said=said.frames,
        present=held.frames,
    )
    return loop, [Dropped(uid, None, Reason.UNREADABLE, difference)] if difference else []
