"""A study's protocol in words: what was divided how, what chose what, and what is scored."""

from __future__ import annotations

from collections.abc import Sequence

from napari_retseg.config import TrainConfig
from napari_retseg.plaintext import first_up
from napari_retseg.plural import count_noun, plural
from napari_retseg.study.recipe import Recipe, SplitSpec
from napari_retseg.study.run_plan import RunSpec, StudyPlan
from napari_retseg.study.run_split import shared_patients

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
            "training part. For each seed, larger sets contain the smaller ones, and all "
            "combinations use the same sets."
        )
    sentences.append(_describe_choice(recipe, runs))
    sentences.append(
        "Scores are pooled over all annotated pixels of the scored part. A class that is neither "
        "in the reference nor predicted has no value. Means are without background, unless the "
        "column says otherwise."
    )
    seeds = sorted({run.seed for run in runs})
    n_runs = sum(run.kind == "run" for run in plan.unique)
    sentences.append(
        f"{count_noun(n_runs, 'run')} with {plural('seed', len(seeds))} "
        f"{', '.join(map(str, seeds))}. Margins are 95 % intervals of the mean (Student's t) "
        "over folds and seeds of a combination. Folds and seeds share training data, so the "
        "true intervals are somewhat wider."
    )
    return sentences


def list_flags(plan: StudyPlan) -> list[str]:
    """Say what makes scores better than they would be on new patients."""
    flags = []
    runs = [run for run in plan.runs if run.kind == "run"]
    chosen = sorted({run.split for run in runs if is_chosen_on_scored(run)})
    if chosen:
        flags.append(
            f"In split {_join(chosen)}, checkpoints or thresholds were chosen on the reported "
            "part: the scores are optimistic."
        )
    before = {
        case.image for run in plan.runs if run.kind == "pretraining" for case in run.data.cases
    }
    if any(before & {case.image for case in run.data.cases} for run in runs):
        flags.append(
            "The pre-training used images of the target dataset, so this is not a transfer "
            "between datasets."
        )
    shared: dict[str, int] = {}
    for run in runs:
        if run.split not in shared:
            shared[run.split] = len(shared_patients(run.data.open()))
    by_image = [name for name, n in shared.items() if n]
    if by_image:
        flags.append(
            f"In split {_join(by_image)}, some patients are in both training and scored data: "
            "the scores say nothing about new patients."
        )
    reported = [run.report_on for run in runs]
    n_levels = len({(run.grid, tuple(run.levels.items())) for run in runs})
    if n_levels > 1 and "val" in reported:
        flags.append(
            f"If you pick the best of {n_levels} combinations by these scores, its score is "
            "optimistic, because you choose on the reported part."
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
        if name in ("seed", "device", "devices", "precision") or value == plain[name]:
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
                f"{word} {_range(cases)} {plural('case', max(cases))} of {_range(patients)} "
                f"{plural('patient', max(patients))}"
            )
    return ", ".join(texts)


def _describe_parts(recipe: Recipe) -> list[str]:
    parts = [f"{name} uses {role.part} %" for name, role in recipe.data.items() if role.part]
    if not parts:
        return []
    return [
        f"{first_up(', '.join(parts))} of the patients of its dataset, in a fixed random order."
    ]


def _describe_pretraining(plan: StudyPlan) -> list[str]:
    return [
        f"A network is pre-trained on {run.data.name} ({count_parts([run])}). The runs start "
        "from its checkpoint with the best score on the validation part."
        for run in plan.runs
        if run.kind == "pretraining"
    ]


def _describe_split(name: str, spec: SplitSpec, runs: Sequence[RunSpec]) -> str:
    unit = "patient" if spec.by == "patient" else "image, without regard to patients"
    if spec.folds:
        how = f"{spec.folds} folds by {unit}; each is held out once"
    elif spec.plan == "pinned":
        how = f"as pinned in the dataset, by {unit}"
    else:
        how = f"{spec.plan} at random by {unit}"
    if spec.validation:
        verb = "validates" if spec.validation == 1 else "validate"
        how += f"; {count_noun(spec.validation, spec.by)} of the others {verb}"
    if spec.spread:
        how += "; training sizes are spread over all training patients"
    seed = "the run's own seed" if spec.seed == "run" else f"seed {spec.seed}"
    note = f" ({spec.note})" if spec.note else ""
    return f"Split {name!r}: {how}; drawn with {seed}{note}. {first_up(count_parts(runs))}."


def _describe_choice(recipe: Recipe, runs: Sequence[RunSpec]) -> str:
    if recipe.select_on == "nothing":
        text = "The last checkpoint is scored; no checkpoint is chosen by its score"
    else:
        text = "The checkpoint with the best mean foreground Dice on the validation part is scored"
    if any(run.config.operating_point for run in runs):
        text += "; a threshold for each class is chosen there, too"
    parts = sorted({_PARTS[run.report_on] for run in runs})
    return f"{text}. Scores are from the {' or '.join(parts)} part."


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if min(values) == max(values) else f"{min(values)} to {max(values)}"


def _join(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
