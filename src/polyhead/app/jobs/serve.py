"""One server, from its configuration to its end."""

import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, ListConfig

from polyhead import hardware
from polyhead.app.config.builder import build
from polyhead.app.config.options import check_options
from polyhead.app.jobs.table_options import TABLE_OPTIONS
from polyhead.app.jobs.text_file import read_texts
from polyhead.errors import UserError, check_parameters, collect_errors, require_extra

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

    from polyhead.deployment.server import Limits

_BACKLOG = 512  # connections that wait to be accepted
_OTHER_FILES = 512  # open beside them: refused connections, which linger for a second (256), libraries, the log
_HOST = re.compile(r"\*|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")


def run(config: DictConfig) -> None:
    """Serve bundles until SIGTERM or Ctrl-C, then finish the requests that were accepted; SIGHUP loads them again.

    Raises:
        UserError: the configuration has problems, a library is missing, or the port is taken.
    """
    with require_extra("serve", "serve"):
        from polyhead.app.jobs.served_models import Loader, Reload, load_all, read_places
        from polyhead.deployment.server import ServerProcess, create_service, hang_up_kept, read_token
    hardware.keep_freed_memory()
    check_options(
        config,
        sections=("hosts", "limits", "examples"),
        model=str | Sequence | Mapping,
        host=str,
        port=int,
        backend=str,
        precision=str,
        device=str,
        batch_texts=int,
        stop_seconds=int,
        drain_seconds=int,
        token_file=str | None,
        name=str | None,
        sentences=str | None,
        **TABLE_OPTIONS,
    )
    problems: list[str] = []
    with collect_errors(problems):
        _check_ranges(config)
    with collect_errors(problems):
        places = read_places(config)
    with collect_errors(problems):
        hosts = _hosts(config.hosts)
    with collect_errors(problems):
        limits = build(config.limits, "limits")
        _check_open_files(limits.connections)
    with collect_errors(problems):
        token = None if config.token_file is None else read_token(config.token_file)
    with collect_errors(problems):
        examples = _examples(config.examples)
    with collect_errors(problems):
        sentences = _sentences(config)
    if problems:
        raise UserError("\n".join(problems))
    loader = Loader(config.backend, config.precision, config.device, sentences, examples)
    with hang_up_kept() as hang_up:
        models = load_all(places, loader)
        with _listen(config.host, config.port) as listener:
            app = create_service(models, limits, config.batch_texts, hosts, token)
            service = app.state.service
            reload = Reload(service, places, models, loader)
            settings = _settings(app, limits, config.stop_seconds)
            served = ", ".join(place.folder for place in places)
            print(f"serving {served} at http://{_address(listener)}", flush=True)
            del models  # those that are replaced are not to stay
            ServerProcess(settings, service.stop, config.drain_seconds, reload, hang_up).run(sockets=[listener])


def _settings(app: "Starlette", limits: "Limits", stop_seconds: int) -> "uvicorn.Config":
    import uvicorn

    from polyhead.deployment.server import bounded_by

    return uvicorn.Config(
        app,
        http=bounded_by(limits, app.state.count_refusal),
        backlog=_BACKLOG,
        log_level="error",  # a client cannot fill the log with warnings about what it sent
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=stop_seconds,
    )


def _hosts(given: Any) -> list[str]:
    """Return the names that the server goes by.

    Raises:
        UserError: one of them is no name.
    """
    names = [given] if isinstance(given, str) else list(given) if isinstance(given, ListConfig) else None
    if names is None or not all(isinstance(name, str) and _HOST.fullmatch(name) for name in names):
        raise UserError(
            f"hosts: {given!s} given; it must be a list of names without scheme, port and path: [example.org], or ['*']"
        )
    return names


def _examples(given: Any) -> list[str] | None:
    """Return the sentences to try the model with, None where the server finds some.

    Raises:
        UserError: something else than texts.
    """
    if given is None:
        return None
    texts = list(given) if isinstance(given, ListConfig) else [given]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise UserError(f"examples: {given!s} given; it must be a list of sentences, [] for none, or null")
    return texts


def _sentences(config: DictConfig) -> list[str]:
    """Return the sentences of which the nearest are shown; none where the bundle's own are.

    Raises:
        UserError: the file cannot be read, or holds none.
    """
    if config.sentences is None:
        return []
    if not Path(config.sentences).is_file():
        raise UserError(f"sentences: {config.sentences!r} is no file; name one, or set sentences=null")
    texts = read_texts(config.sentences, config)
    if not texts:
        raise UserError(f"sentences: {config.sentences!r} holds none; set sentences=null")
    return texts


def _check_open_files(connections: int) -> None:
    needed = connections + _BACKLOG + _OTHER_FILES
    possible = hardware.allow_open_files(needed)
    most = connections - (needed - possible)
    check_parameters(
        (
            "limits.connections",
            connections,
            possible >= needed,
            f"{max(most, 1)} or less, for the system lets a process open {possible} files (ulimit -n)",
        )
    )


def _check_ranges(config: DictConfig) -> None:
    check_parameters(
        ("host", config.host, bool(config.host.strip()), "a name or an address; 0.0.0.0 are all of this machine"),
        ("port", config.port, 0 <= config.port < 1 << 16, "from 0 to 65535"),
        ("batch_texts", config.batch_texts, config.batch_texts >= 1, "1 or more"),
        ("drain_seconds", config.drain_seconds, config.drain_seconds >= 0, "0 or more"),
        ("stop_seconds", config.stop_seconds, config.stop_seconds >= 0, "0 or more"),
    )


def _listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 takes a free one.

    Raises:
        UserError: the system refuses the host or the port.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise UserError(f"port: {host}:{port} cannot be served ({error}); choose another port or host") from error
    # asyncio sends small packets at once only where a socket names its protocol, which create_server leaves open: an
    # answer would wait 40 ms for the acknowledgement of its head.
    return socket.socket(made.family, made.type, socket.IPPROTO_TCP, fileno=made.detach())


def _address(listener: socket.socket) -> str:
    """Return where a socket listens, as a URL has it: ``127.0.0.1:8000``, ``[::1]:8000``."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{host}:{port}"
