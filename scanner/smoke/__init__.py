"""The smoke test: does the model make a picture, and does the picture look sound?

``command`` is what ``python -m scanner smoke`` calls: it gives the JSON object of the contract
and the exit status (0 passed or warned, 1 failed or skipped). Everything happens in a loosely
jailed child: it reads the model, Python's libraries and our configs, writes previews into the
output folder, and reaches no network. Before that a strictly jailed one reads what the file is;
torch and diffusers are imported only once there is something to run.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import cast

from scanner import sandbox
from scanner.errors import EngineError, FileError
from scanner.limits import DEFAULT, GIB, MIB, Limits
from scanner.report import Json
from scanner.smoke import look
from scanner.smoke.bases import CONFIGS
from scanner.smoke.options import Options
from scanner.smoke.outcome import Outcome, Progress, Result, failed, to_json
from scanner.smoke.plan import Plan
from scanner.smoke.warm import has_gpu, warm

__all__ = ["LIMITS", "Options", "Progress", "command", "run", "shown"]

STEP = "smoke"
#: A full SDXL on a CPU maps its file and two copies of some parts; time counts every thread.
LIMITS = DEFAULT._replace(memory_bytes=32 * GIB, cpu_seconds=4 * 3600, wall_seconds=3600)
_PREVIEW_BYTES = 64 * MIB
#: The ways in which a child ends that say something of the model rather than of us.
_CHILD_ENDS = {
    "sandbox.timeout": "the model took too long",
    "sandbox.cpu": "the model took too much processor time",
    "sandbox.memory": "the model needs more memory than is allowed",
    "sandbox.killed": "the run was killed, most likely for want of memory",
    "sandbox.crashed": "the run crashed",
}


def run(
    path: Path,
    out_dir: Path,
    *,
    options: Options | None = None,
    limits: Limits = LIMITS,
    progress: Progress | None = None,
) -> dict[str, Json]:
    """Show the model in ``path``; previews go into ``out_dir``, which is made if need be.

    A hang, a crash or want of memory is a failed result. ``EngineError`` is the machine's fault
    or ours: no vocabulary, no GPU where one was asked for, an output folder that is not ours.
    """
    options = options or Options()
    path, out_dir = _found(path), _made(out_dir)
    if options.base is not None:
        options = replace(options, base=_found(options.base))
    try:
        plan = _planned(path, options.base)
        if not isinstance(plan, Plan):
            return plan
        return _shown(plan, path, out_dir, options, limits, progress)
    except (FileError, EngineError) as error:
        if error.code not in _CHILD_ENDS:
            raise
        return to_json(failed(error.code, _CHILD_ENDS[error.code]))


def _planned(path: Path, base: Path | None) -> Plan | dict[str, Json]:
    """How to show the model, or the result where that is decided already."""
    with ExitStack() as files:
        opened = [files.enter_context(item.open("rb")) for item in (path, base) if item]
        descriptors = tuple(file.fileno() for file in opened)

        def work(_tell: sandbox.Tell) -> Json:
            found = look.look(descriptors[0], DEFAULT, *descriptors[1:])
            if isinstance(found, Result):
                return {"result": to_json(replace(found, sandbox=sandbox.held()))}
            return {"plan": look.written(found)}

        body = sandbox.run(work, descriptors=descriptors)
    match body:
        case {"result": dict(result)}:
            return result
        case {"plan": dict(plan)}:
            return look.understood(plan)
    raise EngineError("sandbox.crashed", "the child's answer makes no sense")


def _shown(
    plan: Plan,
    path: Path,
    out_dir: Path,
    options: Options,
    limits: Limits,
    progress: Progress | None,
) -> dict[str, Json]:
    perform = warm()

    def work(tell: sandbox.Tell) -> Json:
        def step(done: int, total: int) -> None:
            tell(STEP, done, total)

        result = perform(plan, path, out_dir, options, step)
        return to_json(replace(result, sandbox=sandbox.held()))

    def passed_on(_step: str, done: int, total: int) -> None:
        if progress is not None:
            progress(done, total)

    body = sandbox.run(
        work,
        strict=False,
        limits=limits,
        progress=passed_on,
        file_bytes=_PREVIEW_BYTES,
        reads=(path, CONFIGS) if options.base is None else (path, options.base, CONFIGS),
        writes=(out_dir,),
        gpu=options.device != "cpu" and has_gpu(),
    )
    return cast(dict[str, Json], body)


def command(
    path: Path,
    out_dir: Path,
    *,
    size: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
    prompts: tuple[str, ...] = (),
    pictures: int | None = None,
    device: str = "auto",
    model: str | None = None,
    base: Path | None = None,
    trigger: str | None = None,
    clip_skip: int | None = None,
    base_model: str | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Json], int]:
    """The result and the exit status of ``python -m scanner smoke``. A bad option is
    ``EngineError("smoke.option")``: status 2, as for our own failures."""
    options = Options(
        size, steps, seed, prompts, pictures, device, model, base, trigger, clip_skip, base_model
    )
    return shown(path, out_dir, options=options, progress=progress)


def shown(
    path: Path, out_dir: Path, *, options: Options, progress: Progress | None = None
) -> tuple[dict[str, Json], int]:
    """The result and the exit status that says it in short."""
    result = run(path, out_dir, options=options, progress=progress)
    return result, 0 if result["verdict"] in (Outcome.PASSED, Outcome.WARNED) else 1


def _found(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except OSError as error:
        raise FileError("smoke.no_file", str(error)) from error


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError("smoke.out_dir", str(error)) from error
    return folder.resolve()
