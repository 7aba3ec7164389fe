"""parquet files through pyarrow, batch by batch and column by column, so that two columns of one name stay two."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from core.base.errors import TaskFileError
from core.tasks.reading.arrow_values import ColumnReader, class_names
from core.tasks.reading.json_rows import flatten_row
from core.tasks.reading.limits import MAX_COLUMNS, MAX_JSON_DEPTH, MAX_ROWS, MAX_UNPACKED_BYTES
from core.tasks.reading.readings import ReadOptions
from core.tasks.reading.table import ProblemLog, Row, Table, check_cells, clean_columns, require_rows

BATCH_ROWS = 4096
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")
_MIDNIGHT = " 00:00:00"


def read_parquet(path: Path, options: ReadOptions, log: ProblemLog) -> Table:
    """All row groups of a parquet file; structs become a.b columns.

    Raises:
        TaskFileError: damaged, too many rows or columns, no rows, or larger than the cap when unpacked.
    """
    import pyarrow  # here: 0.3 s and 50 MB that the other formats do without
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _require_size(file, log)
            readers = _readers(file.schema_arrow, log)
            raw, numbers, truncated = _collect(file, readers, options, log)
    except (pyarrow.ArrowException, OSError) as error:
        detail = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise TaskFileError("file.bad_parquet", file=log.file, detail=detail) from error
    require_rows(raw, log, True)
    for reader in readers:
        reader.tell(log)
        _drop_clocks(reader, raw, log)
    order: dict[str, None] = {}
    for row in raw:
        order.update(dict.fromkeys(row))
    columns = clean_columns(order, log)
    rows = [{column: row.get(key) for key, column in zip(order, columns, strict=True)} for row in raw]
    return Table(log.file, "parquet", "utf-8", columns, rows, numbers, log.finish(), truncated=truncated)


def _require_size(file: Any, log: ProblemLog) -> None:
    meta = file.metadata
    if meta.num_columns > MAX_COLUMNS:
        raise TaskFileError("file.many_columns", file=log.file, columns=meta.num_columns, bound=MAX_COLUMNS)
    if meta.num_rows > MAX_ROWS:
        raise TaskFileError("file.many_rows", file=log.file, rows=meta.num_rows, bound=MAX_ROWS)
    size = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
    if size > MAX_UNPACKED_BYTES:
        raise TaskFileError("file.unpacks_too_large", file=log.file, bound=MAX_UNPACKED_BYTES >> 20)


def _readers(schema: Any, log: ProblemLog) -> list[ColumnReader]:
    """A reader for every column that is read, under a name of its own."""
    names = class_names(schema.metadata)
    taken: set[str] = set()
    readers = []
    for index, field in enumerate(schema):
        if _PANDAS_INDEX.fullmatch(field.name):
            log.tell("file.pandas_index", column=field.name)
            continue
        name, number = field.name, 2
        while name in taken:
            name, number = f"{field.name}_{number}", number + 1
        if name != field.name:
            log.add("file.duplicate_header", "warning", column=index + 1, name=field.name, new_name=name)
        taken.add(name)
        readers.append(ColumnReader(index, name, field.type, names.get(field.name, ())))
    return readers


def _collect(
    file: Any, readers: list[ColumnReader], options: ReadOptions, log: ProblemLog
) -> tuple[list[Row], list[int], bool]:
    rows: list[Row] = []
    numbers: list[int] = []
    line = 0
    for batch in file.iter_batches(batch_size=BATCH_ROWS):
        columns = [reader.read(batch.column(reader.index)) for reader in readers]
        for cells in zip(*columns, strict=True):
            line += 1
            if len(rows) >= options.row_cap:
                return rows, numbers, True
            record = {reader.name: cell for reader, cell in zip(readers, cells, strict=True)}
            row = flatten_row(record)
            if row is None:
                log.add("file.deep_json", line=line, bound=MAX_JSON_DEPTH, raw=record)
            elif check_cells(row.values(), line, log):
                rows.append(row)
                numbers.append(line)
    return rows, numbers, False


def _drop_clocks(reader: ColumnReader, rows: list[Row], log: ProblemLog) -> None:
    """A column of dates in which every time is midnight holds days."""
    if not reader.is_timestamp:
        return
    filled = [row for row in rows if row.get(reader.name)]
    if filled and all(row[reader.name].endswith(_MIDNIGHT) for row in filled):
        for row in filled:
            row[reader.name] = row[reader.name].removesuffix(_MIDNIGHT)
        log.tell("file.no_clock", column=reader.name, example=filled[0][reader.name])
