# All that the workflow needs, for those who prefer a container and for profiles/kubernetes:
#     docker build -t small-lm-saturation .
#     docker run --rm -v "$PWD:/work" -w /work small-lm-saturation snakemake --cores all
# torch for CUDA, which is larger: --build-arg TORCH_INDEX=https://pypi.org/simple
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make rsync \
    && rm -rf /var/lib/apt/lists/*

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /opt/saturation
COPY requirements.txt requirements-cluster.txt ./
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -r requirements.txt -r requirements-cluster.txt

# The library, and the logger plugin that profiles switch on. Where a clone is mounted, its own library is used.
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

WORKDIR /work
