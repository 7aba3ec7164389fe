"""Task files in, examples out: reading, roles, templates, splits, stored tasks, mixtures, batches."""
