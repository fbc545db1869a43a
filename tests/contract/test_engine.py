"""The real engine against the Python side. Skips loudly when it is not built."""

from __future__ import annotations

import importlib.util
import os

import pytest
from ctcpmon.diagnosis import CAUSES
from ctcpmon.diagnosis.wording import TEMPLATES, evidence_words
from ctcpmon.fixes import catalogue

from tests.corpus.shared import ROOT
from tests.fake_engine import Evidence

DEMO = ROOT / "python" / "ctcpmon" / "data" / "demo.pcap"

IS_BUILT = importlib.util.find_spec("ctcpmon._ctcpmon") is not None
needs_engine = pytest.mark.skipif(not IS_BUILT, reason="the native engine is not built")


@needs_engine
def test_every_detector_has_words_and_fixes() -> None:
    from ctcpmon import engine

    ids = {info.id for info in engine.DETECTORS}
    assert ids <= {cause.detector for cause in CAUSES}
    treated = {treats.detector for recipe in catalogue().values() for treats in recipe.treats}
    assert ids <= treated


@needs_engine
def test_signature_labels_agree() -> None:
    from ctcpmon import engine

    labels = {cause.detector: cause.signature for cause in CAUSES}
    assert {info.id: info.signature for info in engine.DETECTORS} == {
        info.id: labels[info.id] for info in engine.DETECTORS
    }


@needs_engine
def test_names_agree() -> None:
    from ctcpmon import engine

    titles = {cause.detector: cause.title for cause in CAUSES}
    assert {info.id: info.name for info in engine.DETECTORS} == {
        info.id: titles[info.id] for info in engine.DETECTORS
    }


@needs_engine
def test_every_evidence_name_has_a_template() -> None:
    from ctcpmon import engine

    missing = [info.name for info in engine.EVIDENCE if info.name not in TEMPLATES]
    assert missing == [], f"give these evidence names a phrase in diagnosis/wording.py: {missing}"


@needs_engine
def test_conditions_of_fixes_name_known_evidence() -> None:
    from ctcpmon import engine

    known = {info.name for info in engine.EVIDENCE}
    assert {item.name for recipe in catalogue().values() for item in recipe.when.evidence} <= known
    treats = (treats for recipe in catalogue().values() for treats in recipe.treats)
    assert {one.if_evidence for one in treats} - {""} <= known


@needs_engine
def test_every_threshold_names_its_origin() -> None:
    from ctcpmon import engine

    known = {"measured", "vendor", "guess", "RFC"}
    for info in engine.DETECTORS:
        for threshold in info.thresholds:
            assert threshold.origin.split(":")[0].split(" ")[0] in known, threshold.name


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_can_be_filled(name: str) -> None:
    words = evidence_words(Evidence(name, 1234.0, "ms"))  # type: ignore[arg-type]
    assert "{" not in words


def test_a_name_without_a_template_still_says_something() -> None:
    assert evidence_words(Evidence("new_thing", 3.0, "pkts")) == "new_thing: 3 packets"  # type: ignore[arg-type]
    assert evidence_words(Evidence("new_thing", float("nan"), "ms")) == "new_thing: not known"  # type: ignore[arg-type]


@needs_engine
def test_who_polls_keeps_its_processors() -> None:
    """On two processors it waits off the engine's, and only for as long as it waits."""
    from ctcpmon import engine

    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system has no affinity")
    before = os.sched_getaffinity(0)
    with engine.open_replay([str(DEMO)]) as replay:
        assert os.sched_getaffinity(0) == before
        is_done = False
        while not is_done:
            is_done = replay.poll(1).done
            assert os.sched_getaffinity(0) == before
    assert os.sched_getaffinity(0) == before
