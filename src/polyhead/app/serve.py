"""One server, from its configuration to its end."""

import socket

from omegaconf import DictConfig

from polyhead import hardware
from polyhead.app.builder import build
from polyhead.app.options import check_options
from polyhead.deployment.predictor import Predictor
from polyhead.errors import UserError, require_extra


def run(config: DictConfig) -> None:
    """Serve a bundle until told to stop, and finish then what was accepted.

    Raises:
        UserError: the configuration has problems, a library is missing, or the port is taken.
    """
    with require_extra("serve", "serve"):
        import uvicorn

        from polyhead.deployment.server import create_app
    hardware.keep_freed_memory()
    check_options(
        config,
        model=str,
        host=str,
        port=int,
        backend=str,
        precision=str,
        device=str,
        batch_texts=int,
        stop_seconds=int,
    )
    limits = build(config.limits, "limits")
    if config.batch_texts < 1:
        raise UserError(f"batch_texts: {config.batch_texts} given; it must be at least 1")
    if config.stop_seconds < 0:
        raise UserError(f"stop_seconds: {config.stop_seconds} given; it must be at least 0")
    predictor = Predictor.load(config.model, config.backend, config.precision, config.device)
    predictor.predict(["warm", "up"])  # what is made on first use is made before the first request
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


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port < 1 << 16:
        raise UserError(f"port: {port} given; it must lie between 0 and 65535")
    try:
        made = socket.create_server((host, port), backlog=2048)
    except OSError as error:
        raise UserError(f"port: {host}:{port} cannot be served ({error}); choose another port or host") from error
    # asyncio sends small packets at once only where a socket names its protocol, which create_server leaves open: an
    # answer would wait 40 ms for the acknowledgement of its head.
    return socket.socket(made.family, made.type, socket.IPPROTO_TCP, fileno=made.detach())
