"""Wording of what a page that many visitors share refuses, and of what a Space keeps."""

MESSAGES: dict[str, tuple[str, str]] = {
    "visitor.unknown": (
        "This page does not know who you are any more.",
        "Reload the page, and sign in again if you were signed in.",
    ),
    "quota.runs": (
        "You have {count} run(s) at work; here it may be {bound} at a time.",
        "Wait until it ends, or stop it.",
    ),
    "quota.minutes": (
        "You have used {used} of your {bound} minutes of training in the last 24 hours.",
        "Come back later, or run the app on your own machine.",
    ),
    "quota.disk": (
        "Your projects take {used} MB of the {bound} MB that a visitor has here.",
        "Delete runs or projects, or run the app on your own machine.",
    ),
    "quota.projects": ("You have {count} projects; here it may be {bound}.", "Delete a project first."),
    "quota.queue": ("{count} runs are waiting already.", "Come back when fewer are waiting."),
    "quota.full": (
        "The disk of this page is almost full ({free} MB free).",
        "Come back later, or run the app on your own machine.",
    ),
    "quota.setting": (
        "{text!r} is not a limit for visitors.",
        "Write for example TASKLOOM_QUOTA=runs=1,minutes=120,disk_mb=2000,projects=20.",
    ),
    "mirror.no_folder": (
        "The folder for copies {path} cannot be written ({detail}).",
        "Mount it, or set TASKLOOM_BUCKET to another folder.",
    ),
}
