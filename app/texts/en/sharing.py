"""English texts: what a shared page or a Space says."""

TEXTS: dict[str, str] = {
    "home.forgets": "This Space forgets everything at a restart. Download what you want to keep, or mount a storage bucket (TASKLOOM_BUCKET)."
}
