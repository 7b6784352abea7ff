# syntax=docker/dockerfile:1
# Trains with any overrides, as a user without privileges; runs land in /app/runs, which wants a volume.
#   docker build --tag polyhead .
#   docker run --rm --volume "$PWD/runs:/app/runs" polyhead freeze=backbone seed=1
#   docker run --rm --volume "$PWD/runs:/app/runs" --volume "$PWD/data:/data:ro" polyhead data=files data.files.train=/data/train.csv data.files.test=/data/test.csv tasks=[sentiment]
# What needs another extra, as freeze=lora does, is told by a line, and built in:
#   docker build --build-arg EXTRAS=data,serve,lora --tag polyhead .
#   docker run --rm --volume "$PWD/runs:/app/runs" --publish 127.0.0.1:6006:6006 --entrypoint tensorboard polyhead --logdir runs --bind_all
# The second entry serves a bundle; in a container it listens to all addresses, and the host publishes it to itself alone:
#   docker run --rm --volume "$PWD/runs:/app/runs" --entrypoint python polyhead scripts/export.py run=runs/NAME
#   docker run --rm --volume "$PWD/runs:/app/runs" --publish 127.0.0.1:8000:8000 --entrypoint python polyhead scripts/serve.py host=0.0.0.0 model=runs/NAME/bundle
# Training, TensorBoard and the server together: docker compose up (compose.yaml).
# With CUDA, for hosts that have NVIDIA's container toolkit:
#   docker build --build-arg TORCH=cu130 --tag polyhead:cuda .
#   docker run --rm --gpus all --volume "$PWD/runs:/app/runs" polyhead:cuda trainer.accelerator=gpu
FROM python:3.12-slim-bookworm

# Which build of torch: cpu (some 200 MB) or a CUDA version such as cu130 (several GB).
ARG TORCH=cpu
# Extras of the package: own files, and the server.
ARG EXTRAS=data,serve

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    MPLCONFIGDIR=/tmp/matplotlib

WORKDIR /app

# Dependencies first: they change seldom, and their layer is the large one.
COPY pyproject.toml README.md LICENSE ./
RUN mkdir -p src/polyhead configs \
    && touch src/polyhead/__init__.py \
    && pip install --extra-index-url "https://download.pytorch.org/whl/$TORCH" --editable ".[$EXTRAS]"

COPY src src
COPY configs configs
COPY scripts scripts
COPY train.py ./

RUN useradd --create-home --uid 1000 polyhead \
    && install --directory --owner=polyhead --group=polyhead runs
USER 1000
VOLUME /app/runs

# TensorBoard and the server, where they are the entry.
EXPOSE 6006 8000

ENTRYPOINT ["python", "train.py"]
