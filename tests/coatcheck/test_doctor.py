"""The doctor: each inconsistency is planted in a real Redis, found, mended, and then gone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coatcheck.doctor import KINDS, repair
from tests.coatcheck.ward import LEFT, PLANTS, Ward


def test_a_healthy_namespace_has_no_findings(ward: Ward) -> None:
    assert ward.examine() == []


@pytest.mark.parametrize(("plant", "kinds"), PLANTS.values(), ids=PLANTS)
def test_each_inconsistency_is_found_mended_and_then_gone(
    plant: Callable[[Ward], object], kinds: list[str], ward: Ward
) -> None:
    plant(ward)
    found = ward.examine()
    assert sorted(finding.kind for finding in found) == kinds
    assert all(repaired.done for repaired in repair(ward.redis, ward.settings, found))
    assert ward.examine() == []


@pytest.mark.parametrize(("plant", "kinds"), LEFT.values(), ids=LEFT)
def test_what_can_not_be_understood_is_told_and_left(
    plant: Callable[[Ward], object], kinds: list[str], ward: Ward
) -> None:
    plant(ward)
    assert ward.kinds() == kinds
    before = ward.dump()
    findings = [finding for finding in ward.examine() if not finding.mendable]
    assert all(repaired.done is None for repaired in repair(ward.redis, ward.settings, findings))
    assert ward.dump() == before


def test_every_kind_is_planted() -> None:
    planted = {kind for plants in (PLANTS, LEFT) for _, kinds in plants.values() for kind in kinds}
    assert planted == set(KINDS)
