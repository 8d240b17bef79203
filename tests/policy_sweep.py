"""Candidates for the dangerous table: functions whose own source runs, imports, opens or loads.

    python -m tests.policy_sweep [MODULE …]

walks the sources of the standard library (or of the installed packages named), reads them as text
and prints every module-level function, and every class whose construction does it, that reaches a
sink directly and that the policy takes for unknown. Nothing is imported from what is looked at.
The list is for a person to read: a sink whose argument no caller can choose is harmless.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scanner import policy
from scanner.report import Tier

#: Calls that run or load what they are given, as the source spells them.
RUNS = frozenset(
    {
        "eval", "exec", "execfile", "compile", "__import__", "os.system", "os.popen", "os.spawnv",
        "os.spawnvp", "os.spawnl", "os.spawnve", "os.execv", "os.execve", "os.execvp", "os.execl",
        "os.posix_spawn", "os.startfile", "subprocess.run", "subprocess.call", "subprocess.Popen",
        "subprocess.check_call", "subprocess.check_output", "subprocess.getoutput",
        "subprocess.getstatusoutput", "pty.spawn", "importlib.import_module", "import_module",
        "importlib.reload", "runpy.run_path", "runpy.run_module", "pickle.load", "pickle.loads",
        "pickle.Unpickler", "_pickle.loads", "marshal.load", "marshal.loads", "torch.load",
        "torch.hub.load", "joblib.load", "cloudpickle.loads", "cloudpickle.load", "dill.load",
        "dill.loads", "yaml.load", "yaml.unsafe_load", "ctypes.CDLL", "CDLL", "types.FunctionType",
        "FunctionType", "types.CodeType", "os.exec", "Popen", "check_output", "check_call",
        "cpp_extension.load", "cpp_extension.load_inline", "imp.load_source", "np.load",
        "numpy.load", "spec.loader.exec_module", "loader.exec_module", "loader.load_module",
    }
)  # fmt: skip
#: Calls that open, remove or connect.
OPENS = frozenset(
    {
        "open", "io.open", "os.open", "codecs.open", "_builtin_open", "builtins.open",
        "os.remove", "os.unlink", "os.rmdir", "os.rename", "os.replace", "os.makedirs", "os.mkdir",
        "shutil.rmtree", "shutil.copy", "shutil.copyfile", "shutil.move", "socket.socket",
        "socket.create_connection", "urllib.request.urlopen", "urlopen", "urllib.request.Request",
        "requests.get", "requests.post", "urlretrieve", "urllib.request.urlretrieve", "os.kill",
        "tempfile.mkdtemp", "tempfile.NamedTemporaryFile", "zipfile.ZipFile", "tarfile.open",
        "gzip.open", "bz2.open", "lzma.open", "sqlite3.connect", "mmap.mmap", "os.symlink",
    }
)  # fmt: skip
_MAKERS = ("__init__", "__new__", "__setstate__", "__call__")


@dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """A name that a pickle could ask for, and the first sink in its source."""

    module: str
    name: str
    sink: str


def candidates(module: str, source: str, sinks: frozenset[str]) -> Iterator[Candidate]:
    """Functions and classes at the top of a module (or under an ``if`` or ``try`` there)."""
    if not _called(sinks).search(source):
        return
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in _definitions(tree.body):
        if isinstance(node, ast.ClassDef):
            for method in _definitions(node.body):
                sink = _sink(method, sinks)
                if sink is not None:
                    made = method.name in _MAKERS
                    yield Candidate(
                        module, node.name if made else f"{node.name}.{method.name}", sink
                    )
        else:
            sink = _sink(node, sinks)
            if sink is not None:
                yield Candidate(module, node.name, sink)


@cache
def _called(sinks: frozenset[str]) -> re.Pattern[str]:
    """Most sources need not be parsed to be known harmless."""
    return re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, sorted(sinks)))})\s*\(")


def _definitions(
    body: list[ast.stmt],
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node
            case ast.If() | ast.Try() | ast.With():
                yield from _definitions(node.body)
                yield from _definitions(getattr(node, "orelse", []))


def _sink(node: ast.AST, sinks: frozenset[str]) -> str | None:
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            called = _dotted(part.func)
            if called in sinks and not _constant(part):
                return called
    return None


def _constant(call: ast.Call) -> bool:
    """``open("/proc/cpuinfo")`` cannot be turned against anybody."""
    return bool(call.args) and all(isinstance(arg, ast.Constant) for arg in call.args)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def sources(package: str) -> Iterator[tuple[str, Path]]:
    """Every module of an installed package, by its file; the package is found, not run."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return
    root = Path(spec.origin)
    if root.name != "__init__.py":
        yield package, root
        return
    yield from _tree(root.parent, package)


def standard_library() -> Iterator[tuple[str, Path]]:
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.iterdir()):
        if path.suffix == ".py":
            yield path.stem, path
        elif path.is_dir() and (path / "__init__.py").exists():
            yield from _tree(path, path.name)


def _tree(folder: Path, package: str) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        yield ".".join((package, *parts)), path


def unlisted(
    modules: Iterator[tuple[str, Path]], sinks: frozenset[str] = RUNS
) -> Iterator[Candidate]:
    for module, path in modules:
        if policy.danger(module, "x") is not None:
            continue  # Dangerous as a whole.
        source = path.read_text("utf-8", "replace")
        for found in candidates(module, source, sinks):
            if policy.tier(found.module, found.name) is not Tier.DANGEROUS:
                yield found


def main(arguments: list[str]) -> None:
    sinks = RUNS | OPENS if "--open" in arguments else RUNS
    packages = [name for name in arguments if not name.startswith("-")]
    for modules in map(sources, packages) if packages else [standard_library()]:
        for found in sorted(set(unlisted(modules, sinks))):
            print(f"{found.module}:{found.name}\t{found.sink}")


if __name__ == "__main__":
    main(sys.argv[1:])
