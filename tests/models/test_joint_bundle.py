"""The shipped bundle of the joint system: what its card promises, and that it reads real images."""

import numpy as np

from models.data import read_manifest, read_picture
from models.evaluation.joint import BOX, CLICK, TIGHT
from models.evaluation.shapes import ellipse_mask
from models.images.outlines import outline_mask
from models.images.overlap import jaccard
from models.lesion.clicks import Prompt
from models.lesion.joint import JointSegmenter
from models.registry import load_bundle, open_system
from models.systems import SYSTEMS, system_of
from tests.peers import shared


def test_the_card_holds_each_figure_beside_its_baseline() -> None:
    bundle = load_bundle("lesion-joint")
    assert system_of(bundle) is SYSTEMS["joint"]
    assert bundle.labels == ("mask", "malignant")
    assert {"cyst", "haemangioma", "metastasis"} <= set(bundle.lacks)
    assert bundle.validation_status == "cross-validated on public data"
    assert bundle.weights.stat().st_size <= 14 * 2**20
    names = {path.name for path in bundle.folder.iterdir()}
    assert names == {"card.toml", "model.safetensors", "seen.txt"}
    figures = bundle.card["figures"]
    for name in (BOX, TIGHT, CLICK, "malignancy_auc"):
        for figure in (figures[name], figures["baseline"][name]):
            low, high = figure["interval_95"]
            assert low < figure["value"] < high
    for name in (BOX, CLICK):  # the lead over a plain shape is beyond chance
        assert figures[f"{name}_lead"]["interval_95"][0] > 0


def test_real_masses_are_outlined_better_than_by_an_ellipse() -> None:
    """A smoke test on images the network was trained on: it is no figure of its worth."""
    cases = [case for case in read_manifest(shared() / "data" / "aul") if case.masses][::60]
    segmenter = open_system(load_bundle("lesion-joint"))
    assert isinstance(segmenter, JointSegmenter)
    lead = []
    for case in cases:
        grey = read_picture(case)
        truth = outline_mask(case.masses, (grey.shape[0], grey.shape[1]))
        x0, y0, x1, y1 = case.boxes[0]
        wide, high = (x1 - x0) / 10, (y1 - y0) / 10
        box = (x0 - wide, y0 - high, x1 + wide, y1 + high / 2)
        centre = Prompt(foreground=(((x0 + x1) / 2, (y0 + y1) / 2),))
        boxed, clicked = segmenter.read_all(grey, [Prompt(box=box), centre])
        assert boxed.mask is not None
        assert clicked.mask is not None
        assert boxed.malignant is not None
        lead.append(jaccard(boxed.mask, truth) - jaccard(ellipse_mask(box, truth.shape), truth))
    assert np.mean(lead) > 0.05
