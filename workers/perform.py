"""One claimed run, from stored instances to committed result objects.

select ▶ key ▶ (results exist: done) ▶ decode and read ▶ build ▶ store ▶ commit. Every step can be
repeated: files are written whole under deterministic names, and rows appear in one transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.factors import CLINICAL
from node import tracking
from node.errors import FrameError, ResultError, StorageError
from node.settings import Settings
from node.storage import InstanceStore
from node.tracking import Claim, Database, NewResult, Result, results, runs, utcnow
from workers.analysis import Asked, LoadedModels, Plan, analyse, factors_of, plan
from workers.clinical import read_factors
from workers.findings import Dropped, Frame, FrameRef, Prompt, Reason, StudyFindings
from workers.frames import StoredInstance, read, read_asked, select
from workers.key import result_key, result_settings
from workers.messages import say, speaking
from workers.messages.table import read_language
from workers.results import ResultContext, ResultObject, build, encode
from workers.results.sources import read_headers
from workers.snapshot import snapshot
from workers.stages import Stages


class Performer:
    """Performs runs with one set of loaded models; lives as long as the worker."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self._settings = settings
        self._db = db
        self._store = InstanceStore(settings.data, settings.storage.min_free_mib)
        self._models = LoadedModels(settings.analysis, settings.bundle_folders)
        self._language = read_language(settings.results.messages)
        self._writing = result_settings(settings.results, self._language)

    def perform(self, claim: Claim, stages: Stages) -> bool:
        """Analyse the study and commit its results; False when the lease was lost meanwhile.

        Raises ResultError or StorageError when the results cannot be built or kept.
        """
        with speaking(self._language):
            return self._perform(claim, stages)

    def _perform(self, claim: Claim, stages: Stages) -> bool:
        stages.add("wait", (utcnow() - claim.created_at).total_seconds())
        analysis = self._settings.analysis
        paths = {one.sop_instance_uid: self._store.path(one.path) for one in claim.instances}
        with stages.stage("select"):
            selection = select(self._stored(claim), analysis)
            standing = [one for one in claim.prompts if one.taken_back_at is None]
            chosen = plan(self._models, analysis, {one.kind for one in standing})
            factors = self._factors(claim, chosen, paths)
        key = result_key(
            claim.study_instance_uid,
            selection.frames,
            selection.dropped,
            chosen,
            analysis,
            claim.prompts,
            factors,
            self._writing,
        )
        lineage = results.lineage(self._db, claim.study_id, key)
        made = results.of_key(self._db, lineage.key) if lineage.exists else ()
        repeats = {"repeats": lineage.key}
        if made and all(map(self._is_whole, made)):
            return self._commit(claim, lineage.key, lineage.version, [], repeats, stages)
        maker = runs.get(self._db, made[0].run_id) if made else None
        foreign = [drop for drop in selection.dropped if drop.reason is not Reason.OWN_RESULT]
        findings = analyse(
            chosen,
            _decode(selection.frames, paths, self._settings),
            foreign or selection.dropped,
            self._models,
            analysis,
            stages,
            self._asked(claim, standing, stages),
            factors,
        )
        findings = replace(findings, notes=(*findings.notes, *_taken_back(claim.prompts)))
        context = ResultContext(
            result_key=lineage.key,
            version=lineage.version,
            predecessors=lineage.predecessors,
            created_at=maker.created_at if maker else claim.created_at,
            run_id=maker.id if maker else claim.run_id,
            node_name=self._settings.receiver.ae_title,
            node_serial=self._settings.receiver.ae_title,
            software_version=version("hepanode"),
            replaced=lineage.replaced,
            patient_name=self._settings.results.patient_name,
        )
        with stages.stage("results"):
            objects = self._build(context, claim, findings, paths, stages, made)
        if made:
            return self._commit(claim, lineage.key, lineage.version, [], repeats, stages)
        record = snapshot(
            findings, lineage.version, analysis, claim.prompts, factors, self._writing
        )
        return self._commit(claim, lineage.key, lineage.version, objects, record, stages)

    def _stored(self, claim: Claim) -> list[StoredInstance]:
        return [
            StoredInstance(self._store.path(one.path), one.sop_instance_uid, one.own_result)
            for one in claim.instances
        ]

    def _factors(self, claim: Claim, chosen: Plan, paths: Mapping[str, Path]) -> dict[str, float]:
        """The clinical factors that the bundle of DCNN-US reads; the objects are only opened for
        them where it reads any."""
        bundle = chosen.bundles.get("dcnn_us")
        if not factors_of(bundle, dict.fromkeys(CLINICAL, 0.0)):
            return {}
        received = [paths[one.sop_instance_uid] for one in claim.instances if not one.own_result]
        entered = {one.name: one.answer for one in claim.clinical}
        return factors_of(bundle, read_factors(received, entered).numbers)

    def _asked(
        self, claim: Claim, standing: Sequence[tracking.Prompt], stages: Stages
    ) -> Iterator[Asked]:
        """Each prompt with its frame, decoded when it is its turn, selected before or not."""
        stored = {one.sop_instance_uid: one for one in self._stored(claim)}
        for one in standing:
            prompt = Prompt(one.id, one.sop_instance_uid, one.frame, one.kind, one.coordinates)
            with stages.stage("decode"):
                frame = read_asked(
                    stored[one.sop_instance_uid],
                    prompt.number,
                    prompt.inside,
                    self._settings.analysis,
                )
            yield prompt, frame

    def _build(
        self,
        context: ResultContext,
        claim: Claim,
        findings: StudyFindings,
        paths: Mapping[str, Path],
        stages: Stages,
        known: Sequence[Result],
    ) -> list[NewResult]:
        """Build the result objects and store each as soon as it exists.

        known : what is on record of them, a file of which was lost: nothing else may take its UID
        """
        recorded = {one.sop_instance_uid: one for one in known}

        pointed = {lesion.frame: lesion.prompt.inside for lesion in findings.prompted}
        if findings.hepatorenal is not None:
            pointed |= {pair.frame: pair.prompt.inside for pair in findings.hepatorenal.pairs}

        def source_of(ref: FrameRef) -> NDArray[np.uint8]:
            path = paths[ref.sop_instance_uid]
            (frame,) = read(path, [ref], self._settings.analysis, pointed.get(ref, ()))
            if isinstance(frame, Dropped):
                raise FrameError(f"frame {ref.number} of {ref.sop_instance_uid}: {frame.detail}")
            return frame.source

        made = []
        for built in build(context, findings, read_headers(paths), source_of):
            content = encode(built)
            if recorded:
                _refuse_another(recorded.get(built.sop_instance_uid), built, content)
            with stages.stage("store"):
                path = self._store.write_result(
                    claim.study_instance_uid, built.sop_instance_uid, content
                )
            made.append(
                NewResult(
                    kind=built.kind,
                    sop_class_uid=built.sop_class_uid,
                    series_instance_uid=built.series_instance_uid,
                    sop_instance_uid=built.sop_instance_uid,
                    path=path,
                    size=len(content),
                    sha256=hashlib.sha256(content).hexdigest(),
                )
            )
        return made

    def _is_whole(self, result: Result) -> bool:
        """Whether the file of a recorded result is as it was made."""
        try:
            self._store.read_result(result.path, result.size, result.sha256)
        except StorageError:
            return False
        return True

    def _commit(
        self,
        claim: Claim,
        key: str,
        version: int,
        objects: Sequence[NewResult],
        record: Mapping[str, Any],
        stages: Stages,
    ) -> bool:
        return results.finish(
            self._db,
            claim,
            result_key=key,
            version=version,
            objects=objects,
            destinations={one.name: one.kinds for one in self._settings.destinations},
            snapshot=record,
            timings=stages.seconds,
        )


def _refuse_another(result: Result | None, built: ResultObject, content: bytes) -> None:
    """Raises ResultError when ``content`` is not what was made under this UID before."""
    digest = hashlib.sha256(content).hexdigest()
    if result is None or result.size != len(content) or result.sha256 not in ("", digest):
        raise ResultError(
            f"files of results are missing or changed, and the {built.kind} "
            f"{built.sop_instance_uid} that is made now is not the one that was made before, as "
            "after an update of the program: bring the files back from a backup or the PACS"
        )


def _taken_back(prompts: Iterable[tracking.Prompt]) -> Iterator[str]:
    for one in prompts:
        if one.taken_back_at is None:
            continue
        if one.kind == "hepatorenal":
            yield say(
                "An operator took prompt {prompt} back: no index of it stands any more.",
                prompt=one.id,
            )
        else:
            yield say(
                "An operator took prompt {prompt} back: no outline of it stands any more.",
                prompt=one.id,
            )


def _decode(
    refs: Sequence[FrameRef], paths: Mapping[str, Path], settings: Settings
) -> Iterator[Frame | Dropped]:
    """Each instance is opened once: ``refs`` come grouped by instance."""
    for uid, of_instance in groupby(refs, key=lambda ref: ref.sop_instance_uid):
        yield from read(paths[uid], list(of_instance), settings.analysis)
