from __future__ import annotations

import pytest

from postroom.imap.types import Quota
from postroom.model.quota import StorageQuota
from postroom.providers.imap.quota import storage_quota


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ((), None),
        ((Quota("", {"MESSAGE": (1, 2)}),), None),
        ((Quota("", {"STORAGE": (5, 0)}),), None),
        (
            (Quota("", {"STORAGE": (10, 512)}),),
            StorageQuota(usage=10_240, limit=524_288, status="2%"),
        ),
        (
            (Quota("a", {"STORAGE": (1, 100)}), Quota("b", {"STORAGE": (9, 10)})),
            StorageQuota(usage=9_216, limit=10_240, status="90%"),
        ),
    ],
)
def test_the_quota_is_the_one_nearest_to_full(
    told: tuple[Quota, ...], found: StorageQuota | None
) -> None:
    assert storage_quota(told) == found
