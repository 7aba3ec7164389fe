"""How large a task file may be. Every cap ends in a worded error, never in a full memory or a hang."""

from __future__ import annotations

MAX_FILE_BYTES = 1 << 30  # of the file as it lies on disk
MAX_UNPACKED_BYTES = 2 << 30  # of the text inside a .gz
MAX_JSON_BYTES = 512 << 20  # a .json is parsed as a whole
MAX_SHEET_BYTES = 1 << 30  # of the XML inside an .xlsx
MAX_SHEET_RATIO = 250  # unpacked / packed, looked at above SMALL_SHEET_BYTES
SMALL_SHEET_BYTES = 64 << 20
MAX_SHEETS = 200
MAX_ROWS = 3_000_000
MAX_COLUMNS = 1_000
MAX_CELL_CHARS = 1_000_000
MAX_LINE_CHARS = 64 << 20
MAX_JSON_DEPTH = 20  # of nested objects that become a.b columns
MAX_HEADER_CHARS = 200
MAX_PROBLEMS = 2_000  # listed one by one; more are counted
MAX_RAW_CHARS = 200  # of a row that is quoted beside its problem
