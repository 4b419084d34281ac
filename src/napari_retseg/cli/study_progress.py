"""What the study commands tell: the runs before, while and after they are done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import typer

from napari_retseg.cli.group import FAILED
from napari_retseg.cli.reporting import Reporter, format_seconds
from napari_retseg.events import Message, Progress
from napari_retseg.plural import count_noun
from napari_retseg.study.estimate import Pace, estimate, find_rate, measure_left
from napari_retseg.study.execute import RunTold
from napari_retseg.study.run_plan import StudyPlan
from napari_retseg.study.study_run import StudyFolder

_TO_DO = ("waiting", "begun", "failed", "unreadable")


def show_plan(
    reporter: Reporter, plan: StudyPlan, folder: StudyFolder, known: set[str], workers: int
) -> None:
    """List every run with its cost."""
    rate, is_measured = find_rate(plan.unique, folder)
    rows, left = [], 0.0
    for spec in plan.unique:
        cost = estimate(spec)
        state: str = folder.run(spec.key).state
        state = "known" if spec.key in known and state != "done" else state
        seconds = cost.seconds(rate)
        left += seconds if state in _TO_DO else 0
        train, scored = spec.data.count("train"), spec.data.count(spec.report_on)
        rows.append({"key": spec.key, "run": spec.label, "state": state, "seconds": seconds})
        reporter.say(
            f"{state:<8} {spec.key}  {spec.label}: {cost.steps} steps on "
            f"{count_noun(train[0], 'case')} of {count_noun(train[1], 'patient')}, scored on "
            f"{scored[0]} of {scored[1]}; {cost.megapixels:.3g} Mpixel, about "
            f"{format_seconds(seconds)}"
        )
    todo = sum(row["state"] in _TO_DO for row in rows)
    basis = (
        "measured on its finished runs"
        if is_measured
        else "rough: for a small U-Net on one CPU core"
    )
    together = f" with {workers} workers" if workers > 1 else ""
    time = format_seconds(left / max(workers, 1)) + together
    reporter.say(f"{count_noun(len(rows), 'run')}, {todo} to do, about {time} ({basis})")
    reporter.finish({"runs": rows, "to_do": todo, "seconds": left, "measured": is_measured})


def show_status(reporter: Reporter, plan: StudyPlan, folder: StudyFolder) -> Counter[str]:
    """List every run with its state, and say how long the rest takes; return the states."""
    rows = []
    for spec in plan.unique:
        place = folder.run(spec.key)
        row = {"key": spec.key, "run": spec.label, "state": place.state}
        row |= {"reason": place.failure} if place.failure else {}
        row |= {"logged": str(place.count_steps())} if place.state == "begun" else {}
        rows.append(row)
        more = row.get("reason") or (row.get("logged", "") and f"{row['logged']} steps")
        reporter.say(f"{place.state:<8} {spec.key}  {spec.label}  {more}".rstrip())
    counts = Counter(row["state"] for row in rows)
    left = measure_left(plan.unique, folder)
    time = f"; one worker needs about {format_seconds(left)} for the rest" if left else ""
    reporter.say(_count_states(counts) + time)
    reporter.finish(
        {"study": plan.recipe.name, "counts": counts, "seconds_left": left, "runs": rows}
    )
    return counts


def follow(reporter: Reporter, told: Iterator[RunTold], pace: Pace) -> None:
    """Show a study as it goes on."""
    for one in told:
        if one.kind == "begun":
            reporter.say(f"begun    {one.run.label}")
        elif one.kind == "told" and one.event is not None:
            event = one.event
            if isinstance(event, Progress):
                if event.unit != "iteration":
                    continue
                pace.reach(one.run.key, event.done / max(event.total, 1))
            if isinstance(event, Message):
                event = replace(event, text=f"{one.run.label}: {event.text}")
            reporter.show(event, subject=one.run.label)
        elif one.kind == "failed":
            pace.drop(one.run.key)
            reporter.forget(one.run.label)
            reporter.fail(f"{one.run.label} ({one.run.key}): {one.reason}")
        elif one.kind == "done":
            pace.reach(one.run.key, 1.0)
            left = pace.seconds_left()
            time = f" (about {format_seconds(left)} left)" if left else ""
            reporter.say(f"{one.position}/{one.total} done  {one.run.label}{time}")
    reporter.end_progress()


def end_study(reporter: Reporter, plan: StudyPlan, folder: StudyFolder) -> None:
    """Say how many runs are in which state; the exit code is 1 where one failed."""
    counts: Counter[str] = Counter(folder.run(spec.key).state for spec in plan.unique)
    reporter.say(_count_states(counts))
    reporter.finish({"study": plan.recipe.name, "output": str(folder.path), "counts": counts})
    if counts["failed"]:
        raise typer.Exit(FAILED)


def _count_states(counts: Mapping[str, int]) -> str:
    order = ("done", "failed", "unreadable", "begun", "waiting")
    return ", ".join(f"{counts[state]} {state}" for state in order if counts.get(state))
