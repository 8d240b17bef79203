"""``manage.py serve``: the whole site on one machine, from one command."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from registry import demo, startup
from registry.env import ROOT, Env
from registry.supervisor import Probe, Program, Supervisor
from scanner import gpus

THREADS = 8
WEB_WORKERS = 2
#: Workers wait for the first answer this long at most: the portal comes first.
PATIENCE = 10.0


class Command(BaseCommand):
    help = "Prepare everything, then run the portal, the API, the workers and the sweeper."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._serve(settings.ENV)
        except startup.StartError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            # Before the supervisor took over: nothing has been started yet.
            self._line("Stopped before the start.")

    def _serve(self, env: Env) -> None:
        with startup.sole_owner(env.home), startup.listen(env.bind) as listener:
            self._prepare(env)
            host, port = startup.parse_bind(env.bind)
            target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
            address = f"http://{f'[{target}]' if ':' in target else target}:{port}/"
            supervisor = Supervisor(
                programs(
                    listener.fileno(),
                    drawing_on=[] if env.device == "cpu" else gpus.visible(),
                    with_demo=env.demo and not demo.is_done(),
                ),
                environ=_environ(),
                say=self._say,
                probe=Probe((target, port), _host_header(env)),
                ready=lambda: self._line(f"Weighhouse is ready at {address}"),
            )
            supervisor.run()
            self._line("Weighhouse has ended.")

    def _prepare(self, env: Env) -> None:
        self._line(f"Preparing {env.home} …")
        call_command("prepare", stdout=self.stdout)
        # The programs open their own.
        connections.close_all()

    def _say(self, program: str, line: str) -> None:
        self._line(f"{program:<7} │ {line}")

    def _line(self, line: str) -> None:
        try:
            self.stdout.write(line)
            self.stdout.flush()
        except (BrokenPipeError, ValueError):
            # Nobody reads any more: go on serving.
            return


def programs(listener: int, *, drawing_on: Sequence[str], with_demo: bool) -> list[Program]:
    """What runs: the web server on the inherited socket first, then what does the work."""
    python = sys.executable
    manage = (python, str(ROOT / "manage.py"))
    web = Program(
        "web",
        (
            *(python, "-m", "gunicorn", "registry.wsgi:application", "--chdir", str(ROOT)),
            *("--bind", f"fd://{listener}", "--no-control-socket", "--log-level", "warning"),
            # Loaded once, then forked: a worker that dies is replaced in a moment.
            *("--preload", "--worker-class", "gthread", "--workers", str(WEB_WORKERS)),
            # gthread's workers beat on their own, so this does not end a long upload.
            *("--threads", str(THREADS), "--timeout", "60", "--graceful-timeout", "4"),
        ),
        descriptors=(listener,),
        # gunicorn passes it on to its workers.
        orphaned_by=signal.SIGTERM,
    )
    running = [web, _worker("inspect", "inspect,convert,mail"), *_painters(drawing_on)]
    running.append(Program("sweeper", (*manage, "sweep", "--own-host"), patience=PATIENCE))
    if with_demo:
        running.append(Program("samples", (*manage, "demo"), patience=PATIENCE, once=True))
    return running


def _painters(available: Sequence[str]) -> list[Program]:
    """A worker draws for one model at a time: one a GPU, and one where there is none."""
    if len(available) < 2:
        return [_worker("smoke", "smoke")]
    return [
        _worker(f"smoke-{number}", "smoke", {gpus.VISIBLE: gpu})
        for number, gpu in enumerate(available)
    ]


def _worker(name: str, queues: str, environ: Mapping[str, str] | None = None) -> Program:
    return Program(
        name,
        (
            # In a container root is who there is, and the engine's children are jailed anyway.
            *(sys.executable, "-W", "ignore:You're running the worker with superuser privileges"),
            *("-m", "celery", "--quiet", "--workdir", str(ROOT)),
            *("-A", "registry.celery", "worker", "--pool", "solo", "--queues", queues),
            *("--hostname", f"{name}@%h", "--loglevel", "WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ),
        patience=PATIENCE,
        environ=environ or {},
    )


def _environ() -> Mapping[str, str]:
    # manage.py has named the settings; their output is to be seen as it is written.
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def _host_header(env: Env) -> str:
    """A name under which the site answers, whatever hosts it was told to answer to."""
    return next((host.lstrip("*.") for host in env.hosts if host.strip("*.")), "localhost")
