"""A study's protocol in words: what was divided how, what chose what, and what is scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_retseg.config import TrainConfig
from napari_retseg.study.division import shared_patients
from napari_retseg.study.plan import RunSpec, StudyPlan
from napari_retseg.study.recipe import Recipe, SplitSpec

#: Parts of the split, in words.
_PARTS = {"train": "training", "val": "validation", "test": "test"}


def describe_protocol(plan: StudyPlan) -> list[str]:
    """Say in sentences what was done."""
    recipe, runs = plan.recipe, [run for run in plan.runs if run.kind == "run"]
    sentences = [*_describe_parts(recipe), *_describe_pretraining(plan)]
    for name, spec in recipe.splits.items():
        own = [run for run in runs if run.split == name]
        if own:
            sentences.append(_describe_split(name, spec, own))
    sizes = sorted({run.size for run in runs if run.size})
    if sizes:
        sentences.append(
            f"Training sets of {', '.join(map(str, sizes))} {recipe.size_by}s are drawn from the "
            "training part; for one seed, smaller sets lie in larger ones, and all combinations "
            "see the same."
        )
    sentences.append(_describe_choice(recipe, runs))
    sentences.append(
        "Counts of right and wrong pixels are pooled over all scored pixels that are annotated. A "
        "class that is neither in the reference nor predicted has no value; background is in no "
        "mean unless the column says so."
    )
    seeds = sorted({run.seed for run in runs})
    n_runs = sum(run.kind == "run" for run in plan.unique)
    sentences.append(
        f"{n_runs} {_plural('run', n_runs)} with {'seed' if len(seeds) == 1 else 'seeds'} "
        f"{', '.join(map(str, seeds))}. Margins are 95 % intervals of the mean (Student's t) over "
        "folds and seeds of a combination; these share training data, so the true intervals are "
        "somewhat wider."
    )
    return sentences


def list_flags(plan: StudyPlan) -> list[str]:
    """Say what makes scores better than they would be on new patients."""
    flags = []
    runs = [run for run in plan.runs if run.kind == "run"]
    chosen = sorted({run.split for run in runs if is_chosen_on_scored(run)})
    if chosen:
        flags.append(
            f"In split {_join(chosen)}, iterations or thresholds were chosen on the part that is "
            "reported: its scores are optimistic."
        )
    before = {
        case.image for run in plan.runs if run.kind == "pretraining" for case in run.data.cases
    }
    if any(before & {case.image for case in run.data.cases} for run in runs):
        flags.append(
            "The pre-training has seen images of the target: this is no transfer between data sets."
        )
    shared: dict[str, int] = {}
    for run in runs:
        if run.split not in shared:
            shared[run.split] = len(shared_patients(run.data.open()))
    by_image = [name for name, n in shared.items() if n]
    if by_image:
        flags.append(
            f"In split {_join(by_image)}, patients are trained on and scored: its scores say "
            "nothing about new patients."
        )
    reported = [run.report_on for run in runs]
    n_levels = len({(run.grid, tuple(run.levels.items())) for run in runs})
    if n_levels > 1 and "val" in reported:
        flags.append(
            f"Whoever picks the best of {n_levels} combinations by these scores chooses on the "
            "reported part; the winner's score is optimistic."
        )
    return flags


def is_chosen_on_scored(run: RunSpec) -> bool:
    """Whether something of the run was chosen on the part that is reported."""
    config = run.config
    chooses = run.weights == "best" or config.operating_point or config.patience > 0
    return run.report_on == "val" and (chooses or config.schedule == "plateau")


def describe_options(runs: Sequence[RunSpec]) -> list[tuple[str, str]]:
    """Options that differ from a training's defaults and are the same in all runs."""
    if not runs:
        return []
    first = runs[0].config.model_dump()
    plain = TrainConfig().model_dump()
    found = []
    for name, value in first.items():
        if name in ("seed", "device", "precision") or value == plain[name]:
            continue
        if all(run.config.model_dump()[name] == value for run in runs):
            found.append((name.replace("_", "-"), str(value)))
    return found


def count_parts(runs: Sequence[RunSpec]) -> str:
    """Say how many cases and patients each part of a split has."""
    texts = []
    for part, word in _PARTS.items():
        counts = [run.data.count(part) for run in runs]
        cases, patients = zip(*counts, strict=True)
        if max(cases):
            texts.append(
                f"{word} {_range(cases)} {_plural('case', max(cases))} of {_range(patients)} "
                f"{_plural('patient', max(patients))}"
            )
    return ", ".join(texts)


def _describe_parts(recipe: Recipe) -> list[str]:
    parts = [f"{name} is of {role.part} %" for name, role in recipe.data.items() if role.part]
    if not parts:
        return []
    return [f"{_first_up(', '.join(parts))} of the patients of its data, in a fixed random order."]


def _describe_pretraining(plan: StudyPlan) -> list[str]:
    return [
        f"A network is pre-trained on {run.data.name} ({count_parts([run])}); the iteration that "
        "is best on its validation part is what the runs start from."
        for run in plan.runs
        if run.kind == "pretraining"
    ]


def _describe_split(name: str, spec: SplitSpec, runs: Sequence[RunSpec]) -> str:
    unit = "patient" if spec.by == "patient" else "image, whoever it is of"
    if spec.folds:
        how = f"{spec.folds} folds by {unit}; each is held out once"
    elif spec.plan == "pinned":
        how = f"as pinned in the data set, by {unit}"
    else:
        how = f"{spec.plan} at random by {unit}"
    if spec.validation:
        verb = "validates" if spec.validation == 1 else "validate"
        how += f"; {spec.validation} {_plural(spec.by, spec.validation)} of the others {verb}"
    if spec.spread:
        how += "; sizes are dealt over all training patients"
    seed = "the run's own seed" if spec.seed == "run" else f"seed {spec.seed}"
    note = f" ({spec.note})" if spec.note else ""
    return f"Split {name!r}: {how}; ranked with {seed}{note}. {_first_up(count_parts(runs))}."


def _describe_choice(recipe: Recipe, runs: Sequence[RunSpec]) -> str:
    if recipe.select_on == "nothing":
        text = "The last iteration is scored: nothing is chosen by a score"
    else:
        text = "The iteration with the best mean foreground Dice on the validation part is scored"
    if any(run.config.operating_point for run in runs):
        text += "; a threshold for each class is chosen there, too"
    parts = sorted({_PARTS[run.report_on] for run in runs})
    return f"{text}. Scores are of the {' or '.join(parts)} part."


def _list_images(runs: Sequence[RunSpec]) -> set[Path]:
    return {case.image for run in runs for case in run.data.cases}


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if min(values) == max(values) else f"{min(values)} to {max(values)}"


def _plural(noun: str, number: int) -> str:
    return noun if number == 1 else f"{noun}s"


def _join(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]
