"""Settings written as YAML, read within bounds: whoever sends the text may want it to cost time.

PyYAML's time grows with the square of brackets, ten lines of references can stand for billions of values, tags and
dates make its constructors fail in ways of their own, and a number may have thousands of digits. Settings need none
of these: they are names, texts, numbers, switches and lists of them.
"""

from __future__ import annotations

from typing import Any

import yaml

from core.base.errors import SettingError
from core.messages.details import plain_detail

MAX_YAML_CHARS = 100_000  # a config has 1,300; three hundred names of tasks of any length come on top
MAX_YAML_BRACKETS = 200  # 6,000 opening ones cost the parser 8 s
MAX_YAML_PARTS = 4_000  # names, values, beginnings and ends; a config has 200
MAX_NUMBER_CHARS = 40


class _SettingsLoader(yaml.SafeLoader):
    """The safe loader, with numbers of a length that means something, no dates and no name twice in a group."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in names:
                    raise _at(key, "a name stands twice")
                names.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def _number(make: Any) -> Any:
    def construct(loader: Any, node: Any) -> Any:
        if len(node.value) > MAX_NUMBER_CHARS:
            raise _at(node, "a number is too long")
        try:
            return make(loader, node)
        except (ValueError, OverflowError) as error:  # 0x_, or 1:1:1.5 beyond what a number holds
            raise _at(node, "this is no number") from error

    return construct


_SettingsLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if not tag.endswith(":timestamp")]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_SettingsLoader.add_constructor("tag:yaml.org,2002:int", _number(yaml.SafeLoader.construct_yaml_int))
_SettingsLoader.add_constructor("tag:yaml.org,2002:float", _number(yaml.SafeLoader.construct_yaml_float))


def parse_yaml_settings(text: str, name: str = "YAML") -> dict[str, Any]:
    """YAML of 'name: value' lines (nested groups allowed) as a dictionary.

    Raises:
        SettingError: it is no such YAML, or beyond the bounds above; the line is named.
    """
    if len(text) > MAX_YAML_CHARS:
        raise SettingError("setting.yaml", file=name, line=1, detail=f"longer than {MAX_YAML_CHARS} characters")
    if text.count("[") + text.count("{") > MAX_YAML_BRACKETS:
        raise SettingError("setting.yaml", file=name, line=1, detail="nested too deeply")
    try:
        _require_plain(text)
        values = _SettingsLoader(text).get_single_data()
    except RecursionError as error:
        raise SettingError("setting.yaml", file=name, line=1, detail="nested too deeply") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        detail = plain_detail(getattr(error, "problem", None) or "unreadable")
        raise SettingError("setting.yaml", file=name, line=line, detail=detail) from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingError("setting.yaml_shape", file=name, found=type(values).__name__)
    return values


def _require_plain(text: str) -> None:
    """
    Raises:
        yaml.YAMLError: references (&x, *x), tags (!x) or more parts than settings have.
    """
    for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        if number > MAX_YAML_PARTS:
            raise _at(event, "more parts than settings have")
        if isinstance(event, yaml.AliasEvent):
            raise _at(event, "references are not supported")
        if getattr(event, "tag", None) is not None:
            raise _at(event, "tags are not supported")


def _at(where: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)
