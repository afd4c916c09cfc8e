"""The changes on the command line of `what-if`: `drain node1 --then-delete then scale shop/Deployment/web=2`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click
from click.core import augment_usage_errors

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from etpguard.cluster import Picture
    from etpguard.foresight.changes import By, Change, Workload

CHANGES = "etpguard.changes"
"""The key of the changes, a list of `Words`, in the context of click."""
_WRITTEN = "etpguard.written"
"""The key of the words of the changes."""
THEN = "then"
"""Separates changes."""
_FLAGS = {
    "lose": {"-l": "selector", "--selector": "selector"},
    "drain": {
        "-l": "selector",
        "--selector": "selector",
        "--by": "by",
        "--then-delete": "",
        "--force": "",
        "--delete-emptydir-data": "",
    },
    "scale": {},
    "rollout": {},
    "policy": {},
    "target-nodes": {"-l": "selector", "--selector": "selector"},
    "apply": {"-f": "files", "--filename": "files", "-n": "namespace", "--namespace": "namespace"},
}
"""The options of each change: the field that takes the value, "" for a switch."""
VERBS = tuple(_FLAGS)


@dataclass
class Words:
    """One change as it was written."""

    verb: str
    arguments: list[str] = field(default_factory=list)
    selector: str = ""
    by: str = ""
    namespace: str = ""
    files: list[str] = field(default_factory=list)
    switches: set[str] = field(default_factory=set)


class ChangesCommand(click.Command):
    """A command whose arguments are changes. The options of the command itself may be anywhere between them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own, rest = split(args, self._takes_value(ctx))
        # First, because --help needs no change.
        left = super().parse_args(ctx, own)
        ctx.meta[_WRITTEN] = rest
        if not ctx.resilient_parsing:  # of a line that is not complete yet
            with augment_usage_errors(ctx):
                ctx.meta[CHANGES] = list(words(rest))
        return left

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The changes, or the options of the last change and `then`, and the options of the command."""
        from click.shell_completion import CompletionItem

        verb = ""
        for word in ctx.meta[_WRITTEN]:
            verb = "" if word == THEN else verb or word
        able = VERBS if not verb else (*_FLAGS.get(verb, ()), THEN) if incomplete else ()
        own = [CompletionItem(each) for each in able if each.startswith(incomplete)]
        return [*own, *super().shell_complete(ctx, incomplete)]

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "CHANGE [then CHANGE]..."]

    def _takes_value(self, ctx: click.Context) -> Callable[[str], bool | None]:
        """Whether an option of the command takes a value; None for an option that it does not have."""
        known = {
            name: not (isinstance(option, click.Option) and (option.is_flag or option.count))
            for option in self.get_params(ctx)
            if isinstance(option, click.Option)
            for name in (*option.opts, *option.secondary_opts)
        }
        return known.get


def split(args: Sequence[str], takes_value: Callable[[str], bool | None]) -> tuple[list[str], list[str]]:
    """The options of the command, and the words of the changes. An option that both the command and a change have
    belongs to the change that it follows."""
    own: list[str] = []
    rest: list[str] = []
    verb = ""
    left = iter(args)
    for word in left:
        name, equals, _ = word.partition("=")
        of_change = _FLAGS.get(verb, {})
        if word.startswith("-") and word != "-" and name not in of_change:
            own.append(word)
            if takes_value(name) and not equals:
                own += [value for value in [next(left, None)] if value is not None]
            continue
        rest.append(word)
        if word.startswith("-") and of_change.get(name) and not equals:
            rest += [value for value in [next(left, None)] if value is not None]
        elif word == THEN:
            verb = ""
        elif not verb:
            verb = word
    return own, rest


def words(written: Sequence[str]) -> Iterator[Words]:
    """Raises click.UsageError."""
    current: Words | None = None
    left = iter(written)
    for word in left:
        if word == THEN:
            if current is None:
                raise click.UsageError(f"{THEN!r} separates two changes")
            yield current
            current = None
        elif current is None:
            if word not in _FLAGS:
                raise click.UsageError(f"{word!r} is no change: use {', '.join(VERBS)}")
            current = Words(word)
        elif word.startswith("-") and word != "-":
            name, equals, value = word.partition("=")
            target = _FLAGS[current.verb][name]
            if not target and equals:
                raise click.UsageError(f"{name} takes no value")
            if not target:
                current.switches.add(name)
                continue
            given = value if equals else next(left, None)
            if not given:
                raise click.UsageError(f"{name} needs a value")
            if target == "files":
                current.files.append(given)
            elif getattr(current, target):
                raise click.UsageError(f"{current.verb}: {name} is given twice, but takes one value")
            else:
                setattr(current, target, given)
        else:
            current.arguments.append(word)
    if current is None:
        raise click.UsageError(f"name a change: {', '.join(VERBS)}")
    yield current


def change(given: Words, picture: Picture, namespace: str) -> Change:
    """`namespace` is that of manifests that name none. Raises click.UsageError, Refused or Failure."""
    from etpguard.foresight import changes
    from etpguard.objects import Key

    match given.verb:
        case "lose":
            return changes.Lose(_nodes(given, picture))
        case "drain":
            return changes.Drain(
                _nodes(given, picture),
                _by(given.by),
                "--then-delete" in given.switches,
                "--force" in given.switches,
                "--delete-emptydir-data" in given.switches,
            )
        case "scale":
            name, number = _assignment(given, "NAMESPACE/KIND/NAME=N")
            if not (number.isascii() and number.isdecimal()):
                raise click.UsageError(f"scale: {number!r} is no number of replicas")
            return changes.Scale(_workload(name), int(number))
        case "rollout":
            return changes.Rollout(_workload(_only(given, "NAMESPACE/KIND/NAME")))
        case "policy":
            name, policy = _assignment(given, "NAMESPACE/SERVICE=Cluster|Local")
            if policy not in ("Cluster", "Local"):
                raise click.UsageError(f"policy: {policy!r} is neither Cluster nor Local")
            return changes.Policy(Key(*_service(name)), policy)
        case "target-nodes":
            if not given.selector:
                raise click.UsageError("target-nodes needs -l LABEL=VALUE")
            return changes.TargetNodes(Key(*_service(_only(given, "NAMESPACE/SERVICE"))), given.selector)
        case _:
            from etpguard.cli.what_if.manifests import apply

            if not given.files or given.arguments:
                raise click.UsageError("apply needs -f FILE")
            return apply(given.files, given.namespace or namespace, picture)


def _by(name: str) -> By:
    from etpguard.foresight.changes import By

    if not name:
        return By.KUBECTL
    for each in By:
        if each.value == name:
            return each
    raise click.UsageError(f"--by {name!r} is not one of {', '.join(each.value for each in By)}")


def _nodes(given: Words, picture: Picture) -> tuple[str, ...]:
    """By name, `zone=Z` and selector."""
    from etpguard.assess.node_selection import label_selector
    from etpguard.foresight.changes import Refused
    from etpguard.objects import NODE
    from etpguard.objects.nodes import ZONE_LABEL

    found: dict[str, None] = {}
    for text in given.arguments:
        key, equals, zone = text.partition("=")
        if equals and key != "zone":
            raise click.UsageError(f"{given.verb}: {text!r} is neither a node nor zone=ZONE")
        if equals:
            in_zone = sorted(n.metadata.name for n in picture.store(NODE) if n.labels.get(ZONE_LABEL) == zone)
            if not in_zone:
                raise Refused(f"no Node has the label {ZONE_LABEL}={zone}")
            found.update(dict.fromkeys(in_zone))
        else:
            found[text] = None
    if given.selector:
        wanted = label_selector(given.selector)
        if not wanted:
            raise click.UsageError(f"-l: {given.selector!r} is not a label selector that etpguard reads")
        selected = sorted(
            n.metadata.name for n in picture.store(NODE) if all(each.admits(n.labels) for each in wanted)
        )
        if not selected:
            raise Refused(f"no Node has {given.selector}")
        found.update(dict.fromkeys(selected))
    if not found:
        raise click.UsageError(f"{given.verb}: name nodes, zone=ZONE or -l SELECTOR")
    return tuple(found)


def _assignment(given: Words, form: str) -> tuple[str, str]:
    name, equals, value = _only(given, form).rpartition("=")
    if not equals:
        raise click.UsageError(f"{given.verb}: use {form}")
    return name, value


def _only(given: Words, form: str) -> str:
    if len(given.arguments) != 1:
        raise click.UsageError(f"{given.verb}: use {form}")
    return given.arguments[0]


def _service(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not slash or not namespace or not name or "/" in name:
        raise click.UsageError(f"{text!r} is not NAMESPACE/SERVICE")
    return namespace, name


def _workload(text: str) -> Workload:
    from etpguard.foresight.changes import Workload
    from etpguard.foresight.workloads import kind_named
    from etpguard.objects import Key

    parts = text.split("/")
    kind = kind_named(parts[1]) if len(parts) == 3 and all(parts) else None
    if kind is None:
        raise click.UsageError(f"{text!r} is not NAMESPACE/KIND/NAME, with Deployment, ReplicaSet, StatefulSet or "
                               "DaemonSet as KIND")  # fmt: skip
    return Workload(kind, Key(parts[0], parts[2]))
