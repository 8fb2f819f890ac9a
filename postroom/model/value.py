"""The one configuration that all model values share."""

from __future__ import annotations

from typing import Annotated

import msgspec


class Value(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False
):
    """A frozen value; JSON names in camel case, fields at their default are left out."""


# UTC ISO 8601 with milliseconds, made by `clock.iso`.
Timestamp = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
