"""One server, from its configuration to its end."""

import socket

from omegaconf import DictConfig

from polyhead import hardware
from polyhead.app.builder import build
from polyhead.app.options import check_options
from polyhead.deployment.predictor import Predictor
from polyhead.errors import UserError, check_parameters, collect_errors, require_extra


def run(config: DictConfig) -> None:
    """Serve a bundle until SIGTERM or Ctrl-C, then finish the requests that were accepted.

    Raises:
        UserError: the configuration has problems, a library is missing, or the port is taken.
    """
    with require_extra("serve", "serve"):
        import uvicorn

        from polyhead.deployment.server import create_app
    hardware.keep_freed_memory()
    check_options(
        config,
        sections=("limits",),
        model=str,
        host=str,
        port=int,
        backend=str,
        precision=str,
        device=str,
        batch_texts=int,
        stop_seconds=int,
    )
    problems: list[str] = []
    with collect_errors(problems):
        _check_ranges(config)
    with collect_errors(problems):
        limits = build(config.limits, "limits")
    if problems:
        raise UserError("\n".join(problems))
    predictor = Predictor.load(config.model, config.backend, config.precision, config.device)
    predictor.predict(["warm", "up"])  # libraries prepare on first use; the first request must not wait for that
    with _listen(config.host, config.port) as listener:
        settings = uvicorn.Config(
            create_app(predictor, limits, config.batch_texts),
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=config.stop_seconds,
        )
        host, port = listener.getsockname()[:2]
        print(f"serving {config.model} at http://{host}:{port}", flush=True)
        uvicorn.Server(settings).run(sockets=[listener])


def _check_ranges(config: DictConfig) -> None:
    check_parameters(
        ("host", config.host, bool(config.host.strip()), "a name or an address; 0.0.0.0 are all of this machine"),
        ("port", config.port, 0 <= config.port < 1 << 16, "from 0 to 65535"),
        ("batch_texts", config.batch_texts, config.batch_texts >= 1, "1 or more"),
        ("stop_seconds", config.stop_seconds, config.stop_seconds >= 0, "0 or more"),
    )


def _listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 takes a free one.

    Raises:
        UserError: the system refuses the host or the port.
    """
    try:
        made = socket.create_server((host, port), backlog=2048)
    except OSError as error:
        raise UserError(f"port: {host}:{port} cannot be served ({error}); choose another port or host") from error
    # asyncio sends small packets at once only where a socket names its protocol, which create_server leaves open: an
    # answer would wait 40 ms for the acknowledgement of its head.
    return socket.socket(made.family, made.type, socket.IPPROTO_TCP, fileno=made.detach())
