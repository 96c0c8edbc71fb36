"""Which values a mined row cannot do without, looked for in whole columns: a file from elsewhere may lack any of them."""

from __future__ import annotations

import pyarrow as pa

# What the miner itself leaves empty: who merged, a branch without a name, what history does not tell, a resolution that was
# not located; and of a manifest the lines of such a resolution, and the split of a repository that has none.
MAY_LACK = frozenset(
    {
        *(f"context.{side}_{name}" for side in ("ours", "theirs") for name in ("is_merger", "branch")),
        *(
            f"history.{side}_change.{name}"
            for side in ("ours", "theirs")
            for name in ("last_time", "by_merger")
        ),
        *(f"history.{whole}.{side}" for whole in ("file", "conflicts") for side in ("ours", "theirs")),
        *(f"conflicts.{name}" for name in ("resolution", "first_line", "lines")),
        "split",
    }
)


def first_lacking(batch: pa.RecordBatch) -> str:
    """The first field that lacks a value somewhere; empty where every one has what it needs."""
    found = (_lacking(name, column) for name, column in zip(batch.schema.names, batch.columns, strict=True))
    return next(filter(None, found), "")


def _lacking(name: str, values: pa.Array) -> str:
    if values.null_count and name not in MAY_LACK:
        return name
    if pa.types.is_list(values.type):
        return _lacking(name, values.flatten())
    if not pa.types.is_struct(values.type):
        return ""
    fields = ((field.name, values.field(at)) for at, field in enumerate(values.type))
    return next(filter(None, (_lacking(f"{name}.{field}", inner) for field, inner in fields)), "")
