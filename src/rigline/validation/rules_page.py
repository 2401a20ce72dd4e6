"""The reference page of the rules, as Markdown, from the rules themselves."""

from __future__ import annotations

from typing import Final

from rigline.avatar.marketplace.rules import AS_OF, RULES, SOURCE, Rule

TITLES: Final = {
    "skeleton": "Skeleton", "skin": "Skin weights", "mesh": "Meshes", "triangles": "Triangles",
    "visibility": "Visibility", "pose": "Pose", "size": "Size", "attachment": "Attachments",
    "cage": "Outer cages", "texture": "Textures", "face": "Face",
}  # fmt: skip

HEAD: Final = f"""<!-- Written by `rigline validate --list-rules`: change the rules, not this. -->

# Rules of validation

Every rule that `rigline validate` knows, restated from the published documents on character bodies,
dynamic heads, meshes, textures and validation as of **{AS_OF}**
({SOURCE}).

A rule binds in the `marketplace` preset; in `development`, where a body keeps the input's geometry
and scale, some are warnings and some are not asked. Where the documents leave a number open or
disagree, the rule says what was made of it.
"""


def rules_page() -> str:
    """The page, ready to be written to ``docs/validation-rules.md``."""
    groups: dict[str, list[Rule]] = {}
    for rule in RULES:
        groups.setdefault(rule.id.split(".")[0], []).append(rule)
    return "\n".join([HEAD, *(_group(name, rules) for name, rules in groups.items())])


def _group(name: str, rules: list[Rule]) -> str:
    return f"## {TITLES[name]}\n\n" + "\n".join(_entry(rule) for rule in rules)


def _entry(rule: Rule) -> str:
    facts = {
        "Weight": f"{_severity(rule)} ({rule.document}, {rule.as_of})",
        "Limit": _limits(rule),
        "Note": rule.disagreement.removesuffix("."),
        "Follows from": ", ".join(f"`{name}`" for name in rule.follows_from),
        "Remedy": rule.remedy.removesuffix("."),
    }
    lines = [f"- {name}: {text}." for name, text in facts.items() if text]
    return "\n".join(
        [f"### `{rule.id}`", "", f"{_plain(rule.title)}.", "", *map(_plain, lines), ""]
    )


def _plain(text: str) -> str:
    """Text that Markdown does not take for a tag."""
    return text.replace("<", "&lt;")


def _severity(rule: Rule) -> str:
    if not rule.presets:
        return "Not checked"
    words = {"error": "Error", "warning": "Warning", "info": "Note"}[rule.severity]
    if "development" not in rule.presets:
        return f"{words}, in the marketplace preset alone"
    return f"{words}, in the development preset a warning" if rule.advisory_in else words


def _limits(rule: Rule) -> str:
    shown = []
    for name, value in rule.limits.items():
        words = " × ".join(f"{v:g}" for v in value) if isinstance(value, tuple) else f"{value}"
        if isinstance(value, int | float):
            words = f"{value:,}" if isinstance(value, int) else f"{value:g}"
        shown.append(f"{name.replace('_', ' ')} {words}")
    return ", ".join(shown) + (f" {rule.unit}" if rule.unit and shown else "")
