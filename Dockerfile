# All that the workflow needs, for those who prefer a container and for profiles/kubernetes:
#     docker build -t small-lm-saturation .
#     docker run --rm -v "$PWD:/work" -w /work small-lm-saturation snakemake --cores all
# torch for CUDA, which is larger: --build-arg TORCH_INDEX=https://pypi.org/simple
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ git make rsync \
    && rm -rf /var/lib/apt/lists/*

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY requirements.txt requirements-cluster.txt /opt/saturation/
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" \
    -r /opt/saturation/requirements.txt -r /opt/saturation/requirements-cluster.txt

WORKDIR /work
