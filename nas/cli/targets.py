"""`nas targets`: devices that latency is measured on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from nas.cli.options import (
    DEFAULT_ARTIFACTS,
    DEFAULT_STORAGE,
    ArtifactsOption,
    JsonOption,
    QuietOption,
    StorageOption,
    require_database,
)
from nas.cli.output import Output, note, note_commands
from nas.cli.remote import ServerOption, connected
from nas.errors import ConfigError

if TYPE_CHECKING:
    from nas.jobs.target_subjects import Subject
    from storage import Ledger

app = typer.Typer(
    name="targets",
    help="Register devices, measure on them, plan and import measurements.",
    no_args_is_help=True,
)

NameArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the target.", show_default=False)
]
SubjectArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="STUDY|CONFIG", help="Whose sub-networks: a study, or a config file.")
]
TargetOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--target", metavar="NAME", help="Registered target in place of the study's or config's."),
]
DeviceOption: TypeAlias = Annotated[
    str | None, typer.Option("--device", metavar="DEVICE", help="Torch device, such as cuda:0.")
]
ThreadsOption: TypeAlias = Annotated[
    int | None, typer.Option("--threads", min=1, max=1024, help="CPU threads of one call.")
]


@app.command("add")
def add(
    name: NameArgument,
    *,
    backend: Annotated[
        Literal["torch", "torch_compile", "onnxruntime", "openvino"], typer.Option(help="Runtime.")
    ] = "torch",
    device: Annotated[str, typer.Option(help="Torch device: cpu, cuda or cuda:N.")] = "cpu",
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="Of weights and activations.")
    ] = "float32",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Sequences a call.")] = 1,
    sequence_length: Annotated[
        int, typer.Option("--sequence-length", min=1, help="Tokens a sequence, or of the prompt.")
    ] = 128,
    decode_length: Annotated[
        int, typer.Option("--decode-length", min=0, help="Tokens generated after it; 0 times one forward.")
    ] = 0,
    threads: Annotated[int, typer.Option(min=1, max=1024, help="CPU threads of one call.")] = 1,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="KEY=VALUE", help="Label of its Ray node; may be repeated."),
    ] = None,
    device_id: Annotated[
        str | None, typer.Option("--device-id", help="Fingerprint of a device whose results were imported.")
    ] = None,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Register a target, which configs then name."""
    from nas.evaluation import Target
    from nas.targets.registry import add_target

    target = Target(
        name=name,
        backend=backend,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        sequence_length=sequence_length,
        decode_length=decode_length,
        threads=threads,
        labels=_labels(label or ()),
        device_id=device_id,
    )
    with _ledger(storage) as ledger:
        add_target(ledger, target)
    Output().ids([name])


@app.command("ls")
def list_targets(
    *,
    storage: StorageOption = DEFAULT_STORAGE,
    server: ServerOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """List targets: where they are reached, what was measured, drift, and the predictor's error."""
    from nas.cli.target_tables import print_targets

    records = _records_here(storage) if server is None else _records_there(server)
    out = Output(as_json=as_json, quiet=quiet)
    if as_json:
        out.json(records)
    elif quiet:
        out.ids(list(dict.fromkeys(record["name"] for record in records)))
    elif records:
        print_targets(out, records)
    else:
        note("no target is registered; `nas targets add NAME` registers one")


@app.command("rm")
def remove(name: NameArgument, *, storage: StorageOption = DEFAULT_STORAGE) -> None:
    """Forget a target; its measurements stay."""
    require_database(storage)
    from nas.targets.registry import remove_target

    with _ledger(storage) as ledger:
        remove_target(ledger, name)


@app.command("plan")
def plan(
    subject: SubjectArgument,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path("plan.json"),
    target: TargetOption = None,
    front: Annotated[
        bool, typer.Option("--front", help="The study's front, with what is predicted to be on it.")
    ] = False,
    trials: Annotated[
        str | None, typer.Option("--trials", metavar="N,N", help="Trials of the study, by number.")
    ] = None,
    calibration: Annotated[
        int, typer.Option("--calibration", min=0, max=1999, help="Shapes that teach the predictor most.")
    ] = 0,
    storage: StorageOption = DEFAULT_STORAGE,
    artifacts: ArtifactsOption = DEFAULT_ARTIFACTS,
) -> None:
    """Write what to measure on a device without Ray: by default a study's front, of a config 40 shapes."""
    from nas.jobs.target_plans import Wanted, plan_subject, target_for

    opened = _subject(subject, storage, artifacts)
    wanted = Wanted(front=front, trials=_numbers(trials), calibration=calibration)
    written = plan_subject(opened, target_for(opened, target), wanted)
    written.write(output)
    Output().ids([output])
    note(f"{len(written.shapes)} shapes and the full model; copy the file to the device and run there:")
    note_commands([f"nas targets bench --plan {output.name} -o results.jsonl"])


@app.command("bench")
def bench(
    subject: Annotated[
        str | None, typer.Argument(metavar="[STUDY|CONFIG]", help="Whose full model, without a plan.")
    ] = None,
    *,
    plan_file: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="What `nas targets plan` wrote.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Results of a plan; an earlier run's file goes on.")
    ] = Path("results.jsonl"),
    target: TargetOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    storage: StorageOption = DEFAULT_STORAGE,
    artifacts: ArtifactsOption = DEFAULT_ARTIFACTS,
    as_json: JsonOption = False,
) -> None:
    """Measure a plan on this machine, without Ray, database or weights; or a full model alone."""
    if (plan_file is None) == (subject is None):
        raise ConfigError("give either --plan FILE, or a study or config whose full model is measured")
    if plan_file is not None:
        _bench_plan(Output(as_json=as_json), plan_file, output, device=device, threads=threads)
        return
    from nas.cli.target_tables import print_reference, reference_record
    from nas.jobs.target_plans import measure_reference, target_for

    assert subject is not None
    opened = _subject(subject, storage, artifacts)
    chosen = target_for(opened, target, device=device, threads=threads)
    records = measure_reference(opened, chosen)
    out = Output(as_json=as_json)
    if as_json:
        out.json([reference_record(record) for record in records])
    else:
        print_reference(out, chosen, records)


@app.command("import")
def import_(
    results: Annotated[Path, typer.Argument(metavar="FILE", help="What `nas targets bench` wrote.")],
    *,
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Register the device under this name.")
    ] = None,
    plan_file: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="The plan, if it is of another database.")
    ] = None,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Bring a device's results back; what does not agree with its plan and samples is refused."""
    from dataclasses import asdict

    from nas.targets.history import find_plan
    from nas.targets.importing import import_results
    from nas.targets.plan import Plan
    from nas.targets.registry import point_at_device
    from nas.targets.results import read_results

    plan = None if plan_file is None else Plan.read(plan_file)
    with _ledger(storage) as ledger:
        report = import_results(results, ledger, plan=plan)
        if name is not None:
            own = plan or find_plan(ledger, read_results(results).header.plan_sha256)
            point_at_device(ledger, own.target, name, report.device_id)
    out = Output(as_json=as_json, quiet=quiet)
    if as_json:
        out.json(asdict(report))
        return
    out.ids([report.device_id])
    note(
        f"{report.added} measurements added, {report.repeated} known; "
        f"{report.shapes} of {report.planned} shapes can be ranked by"
    )


@app.command("calibrate")
def calibrate(
    subject: SubjectArgument,
    *,
    shapes: Annotated[int, typer.Option(min=1, max=1999, help="Shapes to measure.")] = 40,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a plan for another device instead.")
    ] = None,
    target: TargetOption = None,
    storage: StorageOption = DEFAULT_STORAGE,
    artifacts: ArtifactsOption = DEFAULT_ARTIFACTS,
    as_json: JsonOption = False,
) -> None:
    """Measure on this machine what teaches the latency predictor most, and show its error."""
    if output is not None:
        plan(
            subject,
            output=output,
            target=target,
            calibration=shapes,
            storage=storage,
            artifacts=artifacts,
        )
        return
    from dataclasses import asdict

    from nas.cli.target_tables import error_text
    from nas.jobs import target_plans

    opened = _subject(subject, storage, artifacts)
    chosen = target_plans.target_for(opened, target)
    found = target_plans.calibrate(opened, chosen, shapes=shapes, show_progress=not as_json)
    out = Output(as_json=as_json)
    if as_json:
        out.json(asdict(found))
        return
    out.pairs(
        {
            "target": chosen.name,
            "device": found.device_id,
            "measured": str(found.measured),
            "predictor error": error_text(found.error),
        }
    )


def _records_here(storage: str) -> list[dict[str, Any]]:
    require_database(storage)
    from nas.cli.target_tables import target_record
    from nas.targets.registry import overview

    with _ledger(storage) as ledger:
        return [target_record(view) for view in overview(ledger)]


def _records_there(server: str) -> list[dict[str, Any]]:
    from nas.cli.target_tables import remote_target_records

    with connected(server) as client:
        return [record for target in client.targets() for record in remote_target_records(target.record)]


def _bench_plan(out: Output, path: Path, output: Path, *, device: str | None, threads: int | None) -> None:
    from dataclasses import asdict

    from nas.cli.errors import resumable
    from nas.progress import progress_bar
    from nas.targets.bench import bench_plan
    from nas.targets.plan import Plan

    plan = Plan.read(path)
    again = ["nas", "targets", "bench", "--plan", str(path), "-o", str(output)]
    with resumable(again), progress_bar("bench", enabled=not out.as_json) as progress:
        report = bench_plan(plan, output, device=device, threads=threads, progress=progress)
    if out.as_json:
        out.json(asdict(report))
        return
    out.ids([output])
    note(
        f"device {report.device_id}: {report.measured} measurements of {report.shapes} shapes, "
        f"{report.found} found, {report.disturbed} too disturbed to rank by"
    )


def _subject(name: str, storage: str, artifacts: Path) -> Subject:
    from nas.jobs.target_subjects import is_config, open_subject

    if not is_config(name):
        require_database(storage)
    return open_subject(name, url=storage, artifacts=artifacts)


@contextmanager
def _ledger(storage: str) -> Iterator[Ledger]:
    from nas.study.ledger_errors import translated
    from storage import Ledger

    with translated(), Ledger.open(storage) as ledger:
        yield ledger


def _labels(texts: list[str] | tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    wrong = [key for key, separator, value in pairs if not (key and separator and value)]
    if wrong:
        raise ConfigError(f"--label {wrong[0]!r}: write KEY=VALUE, as in `ray start --labels`")
    return {key: value for key, _, value in pairs}


def _numbers(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ConfigError(f"--trials {text!r}: write numbers with commas between them, e.g. 3,7") from None
