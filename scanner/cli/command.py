"""Arguments in, exit status out. Each command's own module is imported when it is called."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

from scanner import __version__
from scanner.cli.words import plain
from scanner.errors import EngineError, ScannerError
from scanner.report import EXTRA, SECTIONS, Hashes

CLEAN, NOT_CLEAN, FAILED = 0, 1, 2


class _Command(Protocol):
    def run(self, arguments: argparse.Namespace) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. 0 all is well, 1 some file is not, 2 usage or our own failure."""
    arguments = _parser().parse_args(argv)
    try:
        command: _Command = import_module(f"scanner.cli.{arguments.module}")
        return command.run(arguments)
    except ModuleNotFoundError as error:
        # The scanner is of use without numpy or blake3: verdicts need the standard library alone.
        if (error.name or "scanner").partition(".")[0] == "scanner":
            raise
        text = f"this needs the package {error.name}, which is not installed"
        print(f"weighhouse: {text} [engine.missing]", file=sys.stderr)
        return FAILED
    except ScannerError as error:
        if getattr(arguments, "json", False):
            # For programs: the stable code beside the sentence on standard error.
            print(json.dumps({"error": {"code": error.code, "message": error.message}}))
        print(f"weighhouse: {plain(error.message or error.code)} [{error.code}]", file=sys.stderr)
        return FAILED if isinstance(error, EngineError) else NOT_CLEAN
    except BrokenPipeError:
        # Whoever read our output has enough; flushing at exit would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return 130


def _sections(text: str) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    wrong = [part for part in wanted if part not in (*SECTIONS, *EXTRA)]
    if wrong or not wanted:
        raise argparse.ArgumentTypeError(f"choose from {', '.join((*SECTIONS, *EXTRA))}")
    return wanted


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError("a number from 1 on")
    return number


_DIGITS = {"sha256": 64, "blake3": 64, "crc32": 8, "autov1": 8, "autov3": 12}


def _hashes(text: str) -> Hashes:
    pairs = dict(part.partition("=")[::2] for part in text.split(","))
    for kind, value in pairs.items():
        if len(value) != _DIGITS.get(kind) or not set(value) <= set("0123456789abcdef"):
            raise argparse.ArgumentTypeError(f"{kind}={value} is no digest, in lower-case hex")
    if missing := {"sha256", "blake3", "crc32"} - pairs.keys():
        raise argparse.ArgumentTypeError(f"without {', '.join(sorted(missing))}")
    return Hashes(**pairs, autov2=pairs["sha256"][:10])


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError("KEY=TEXT")
    return key, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scanner",
        description="Reads Stable Diffusion model files without ever loading them.",
        epilog="Exit status: 0 all is well, 1 some file is not, 2 usage or our own failure.",
    )
    parser.add_argument("--version", action="version", version=f"weighhouse {__version__}")
    # Told its name, argparse need not measure the terminal to make one up.
    commands = parser.add_subparsers(prog=parser.prog, metavar="COMMAND", required=True)
    _inspect(commands.add_parser("inspect", help="what files are, and whether they are safe"))
    _convert(commands.add_parser("convert", help="write a file as safetensors, or anew as .pt"))
    _smoke(commands.add_parser("smoke", help="make a small picture with a model"))
    _explain(commands.add_parser("explain", help="show what loading a file would run"))
    _policy(commands.add_parser("policy", help="print the names that are known or dangerous"))
    _selftest(commands.add_parser("selftest", help="try to break out of the sandbox"))
    return parser


def _output(parser: argparse.ArgumentParser, *, sarif: bool = False) -> None:
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="one JSON object a line")
    if sarif:
        forms.add_argument(
            "--sarif", action="store_true", help="the findings as SARIF 2.1.0, for code scanning"
        )
    parser.add_argument(
        "--progress", action="store_true", help="progress as JSON lines on standard error"
    )


def _inspect(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module="inspecting")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files or folders")
    parser.add_argument(
        "--only", type=_sections, default=SECTIONS, metavar="SECTIONS",
        help="only these sections of the report, with commas between: "
        f"{', '.join(SECTIONS)}; and, where they are asked for, {', '.join(EXTRA)}",
    )  # fmt: skip
    parser.add_argument("--jobs", type=_positive, default=1, metavar="N", help="files at a time")
    parser.add_argument(
        "--hashes", type=_hashes, metavar="KIND=HEX,…",
        help="digests of the one file that the caller has computed already: sha256, blake3, crc32 "
        "and, where they apply, autov1 and autov3. Only the CRC-32 is computed again",
    )  # fmt: skip
    _output(parser, sarif=True)


def _convert(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module="converting")
    parser.add_argument(
        "source", type=Path, metavar="SRC", help="the file to convert, or a folder of files"
    )
    parser.add_argument(
        "target", type=Path, metavar="DST",
        help="the .safetensors file to write, or a .pt or .ckpt for tools that load nothing else "
        "(one that is there is replaced); or the folder",
    )  # fmt: skip
    parser.add_argument(
        "--precision", choices=("keep", "fp16", "bf16"), default="keep",
        help="of the weights; as they are if left out",
    )  # fmt: skip
    parser.add_argument(
        "--prune", action="store_true", help="leave out what only training needs, and keep one UNet"
    )
    parser.add_argument(
        "--weights", choices=("ema", "raw"), default="ema", help="which UNet --prune keeps"
    )
    parser.add_argument(
        "--fix", choices=("position-ids",), action="append", default=[],
        help="put the text encoder's position ids right",
    )  # fmt: skip
    parser.add_argument("--vae", type=Path, metavar="FILE", help="put this file's VAE in")
    parser.add_argument("--digest", action="store_true", help="the result's sha256 as well")
    parser.add_argument(
        "--report", type=_sections, metavar="SECTIONS",
        help="the source's report as well, with these sections: the file is inspected while it is "
        "converted, in one reading of the disk",
    )  # fmt: skip
    parser.add_argument(
        "--metadata", type=_pair, action="append", default=[], metavar="KEY=TEXT",
        help="written into the file's metadata; may be given several times",
    )  # fmt: skip
    parser.add_argument("--jobs", type=_positive, default=1, metavar="N", help="files at a time")
    parser.add_argument(
        "--skip-existing", action="store_true", help="leave targets alone that are there"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be written")
    _output(parser)


def _smoke(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module="smoking")
    parser.add_argument("path", nargs="?", type=Path, metavar="PATH", help="a .safetensors file")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where pictures go")
    parser.add_argument(
        "--serve", action="store_true",
        help="stay, and take jobs as JSON lines on standard input: see docs/smoke.md",
    )  # fmt: skip
    parser.add_argument(
        "--self-test", action="store_true",
        help="show the miniature that comes with the scanner, and judge it",
    )  # fmt: skip
    parser.add_argument("--size", type=_positive, metavar="PIXELS", help="of a picture's sides")
    parser.add_argument("--steps", type=_positive, metavar="N", help="sampling steps")
    parser.add_argument("--seed", type=int, metavar="N", help="of the first picture")
    parser.add_argument(
        "--prompt",
        action="append",
        default=[],
        metavar="TEXT",
        help="instead of the sheet's; may be given several times, and empty once to keep those",
    )
    parser.add_argument("--pictures", type=_positive, metavar="N", help="how many")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto",
        help="auto: a GPU if there is one",
    )  # fmt: skip
    parser.add_argument(
        "--base", type=Path, metavar="FILE",
        help="a whole .safetensors checkpoint that add-ons are shown on and that lends missing "
        "parts",
    )  # fmt: skip
    parser.add_argument("--trigger", metavar="WORDS", help="join every prompt")
    parser.add_argument(
        "--clip-skip", type=_positive, metavar="N",
        help="take the text encoder's N-th layer from the end",
    )  # fmt: skip
    parser.add_argument("--model", metavar="NAME", help="the model's, for the parameters")
    parser.add_argument("--base-model", metavar="NAME", help="the base's, for the parameters")
    _output(parser)


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module="explaining")
    parser.add_argument("path", type=Path, metavar="PATH", help="a file")
    parser.add_argument(
        "--all", action="store_true", help="every opcode and every pickle, however many there are"
    )


def _policy(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module="policies")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="what is said of this name, such as os.system"
    )
    parser.add_argument("--tier", choices=("known", "judged", "dangerous"), help="only this tier")
    parser.add_argument("--search", metavar="TEXT", help="only rows that hold this text")
    parser.add_argument("--version", action="store_true", help="only which policy this is")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _selftest(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module="selftesting")
    parser.add_argument("--json", action="store_true", help="one JSON object")
