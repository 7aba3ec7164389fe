"""Task files in, examples out.

Doors: `importing` (preview, add, change), `domain` (many files), `isolation` (the same in a limited child process),
`dataset` (examples, frozen copies), `mixture`, `encoding` and `batching` (tokens), `health`, `fixes`, `versions`,
`editing`, `exporting`, `packs`, `hub`.
"""
