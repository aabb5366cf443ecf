"""How to repeat the search and go on from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from nas.report.document import Block, Code, Paragraph, Section
from nas.study.report.command_lines import command_line
from nas.study.report.reading import Reading


def commands_section(reading: Reading) -> Section:
    """Command lines and Python, quoted so that they can be copied whatever the names hold."""
    config = reading.study.config
    blocks: list[Block] = []
    if config is None:
        text = "The study was made in Python; no config is stored with it."
        blocks += [
            Paragraph(text=text),
            Code(title="In Python, with the same supernet:", text=_creation(reading)),
        ]
    else:
        blocks += _from_config(reading, config)
    blocks.append(Code(title="Select, export and report again:", text=_going_on(reading)))
    blocks.append(Code(title="The same in Python:", text=_python(reading)))
    return Section(title="Commands", anchor="commands", blocks=tuple(blocks))


def _from_config(reading: Reading, config: Mapping[str, Any]) -> list[Block]:
    file = "nas.yaml"
    text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=110)
    lines = [f"nas config check {file}", f"nas search run {file}"]
    note = (
        f"The config below, saved as {file}, repeats the search; a password, if there was one, is replaced."
    )
    return [
        Paragraph(text=note),
        Code(title="Check it and run it:", text="\n".join(lines)),
        Code(title="The resolved config", text=text, is_folded=True),
    ]


def _going_on(reading: Reading) -> str:
    name = reading.name
    lines = [command_line(reading, "search show", name=name)]
    if reading.front:
        best = f"{name}@{reading.front[0].number}"
        lines.append(command_line(reading, "select", *_where(reading), name=name))
        lines.append(command_line(reading, "export", "-o", "exported", name=best))
        lines.append(command_line(reading, "recover", "--top", "5", name=name))
    lines.append(command_line(reading, "report", "-o", "report.html", name=name))
    return "\n".join(lines)


def _where(reading: Reading) -> tuple[str, ...]:
    """A budget that the median member of the front just holds."""
    middle = reading.front[len(reading.front) // 2]
    return "--where", f"num_parameters <= {middle.metrics['num_parameters']:.0f}"


def _python(reading: Reading) -> str:
    lines = [
        "import nas",
        "",
        f"study = nas.load_study({reading.name!r}, storage={reading.ledger.url!r})",
        "study.best_trials",
        "study.report('report.html')",
    ]
    return "\n".join(lines)


def _creation(reading: Reading) -> str:
    spec = reading.spec
    source = spec.supernet.get("sha256", "not recorded")
    options = {
        "objectives": list(map(str, spec.objectives)),
        "constraints": list(map(str, spec.constraints)),
        "sampler": spec.sampler,
        "seed": spec.seed,
        "enqueue": list(spec.design),
        "deterministic": spec.deterministic,
        "parallel": spec.parallel,
        "metrics": list(spec.quality_metrics),
    }
    target = "None" if spec.target is None else f"nas.Target(**{spec.target.describe()!r})"
    racing = reading.record.spec.get("racing")
    race = "None" if racing is None else f"nas.Racing.from_json({racing!r})"
    ended = sum(trial.state.value in ("DONE", "FAILED", "PAUSED") for trial in reading.trials)
    return "\n".join(
        [
            "import nas",
            "",
            f"supernet = nas.Supernet.load('SUPERNET')  # the folder of weights {source}",
            "study = nas.create_study(",
            f"    {reading.name!r},",
            "    supernet=supernet,",
            f"    space={_space(spec.space)},",
            *(f"    {name}={value!r}," for name, value in options.items()),
            f"    target={target},",
            f"    racing={race},",
            ")",
            f"study.optimize(evaluator, n_trials={max(ended, 1)})",
        ]
    )


def _space(space: Mapping[str, Any]) -> str:
    """The kind, with the choices where all layers share them as a default space can be told."""
    if space["kind"] not in ("uniform", "medium"):
        return repr(space["kind"])
    choices = {name.rpartition(".")[2]: list(values) for name, values in space["dimensions"].items()}
    return f"supernet.space({space['kind']!r}, choices={choices!r})"
