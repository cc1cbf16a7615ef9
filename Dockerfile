# Images of Aisle, by target:
#   serve       the service on a CPU: app/ and what it needs, no torch, no compiler
#   serve-gpu   the same with ONNX Runtime for CUDA, and CUDA's libraries
#   offline     the job: aisle-offline, with torch
#   load        Locust, for tests/load
#
#   docker build --target serve -t aisle .
#
# Every image runs as user 10001 and writes to /tmp and mounted folders alone, so that its root may be read-only. Nothing
# here needs BuildKit. The builder before it makes all stages above the one that is wanted, hence their order.

# Any image with Debian's user tools and Python 3.11 or newer, with pip and venv.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS base
ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    HOME=/tmp \
    PYTHONPATH=/opt/app \
    PATH=/opt/app/bin:/opt/packages/bin:$PATH
# A new volume takes over the owner of the folder that it is mounted on.
RUN groupadd --gid 10001 aisle && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp aisle && \
    mkdir /shop /logs /runs && chown 10001:10001 /shop /logs /runs
WORKDIR /tmp

# The packages of each image, a list a file: what else changes in pyproject.toml leaves the layers below as they are.
FROM base AS wanted
WORKDIR /wanted
COPY pyproject.toml ./
RUN python3 -c "import pathlib, tomllib; \
content = tomllib.loads(pathlib.Path('pyproject.toml').read_text()); \
project = content['project']; \
pathlib.Path('build').write_text('\n'.join(content['build-system']['requires'])); \
[pathlib.Path(extra).write_text('\n'.join(project['dependencies'] + packages)) \
 for extra, packages in project['optional-dependencies'].items()]"

FROM base AS packages
RUN python3 -m venv /opt/packages
WORKDIR /wanted
COPY requirements.lock ./

# What the package is made with: a C compiler for its kernels is part of it, and of no image.
FROM packages AS tools
COPY --from=wanted /wanted/build ./
RUN /opt/packages/bin/pip install -c requirements.lock -r build

# The tokenizers of a bundle's text encoder come alone: the clients of a hub of models that they name (30 MB) are never
# called.
FROM packages AS serve-packages
COPY --from=wanted /wanted/cpu /wanted/objects ./
RUN /opt/packages/bin/pip install -c requirements.lock -r cpu -r objects && \
    /opt/packages/bin/pip install -c requirements.lock --no-deps tokenizers && \
    /opt/packages/bin/pip uninstall -y setuptools pip

# The service's own code lies beside its packages, so that an image of another commit shares their layer.
FROM tools AS serve-app
WORKDIR /source
COPY pyproject.toml LICENSE hatch_build.py ./
COPY app ./app
RUN touch README.md && \
    /opt/packages/bin/pip install --no-deps --no-build-isolation --target /opt/app . && \
    rm /opt/app/bin/aisle-offline

FROM base AS service
EXPOSE 8000
# Ready is 200 at once or, with AISLE_WAIT, when there is a bundle: the first one may take long to be trained.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30m --retries=3 \
    CMD ["python", "-I", "-c", "import http.client, os; connection = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('AISLE_PORT', 8000)), timeout=2); connection.request('GET', '/readyz'); raise SystemExit(connection.getresponse().status != 200)"]
ENTRYPOINT ["aisle-serve"]

FROM service AS serve
COPY --from=serve-packages /opt/packages /opt/packages
COPY --from=serve-app /opt/app /opt/app
USER 10001:10001

FROM packages AS offline-packages
# torch from an index of CPU builds, a tenth of the size of PyPI's; PyPI's where that index cannot be reached, or is ''.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
RUN test -z "$TORCH_INDEX_URL" || \
    /opt/packages/bin/pip install -c requirements.lock --no-deps --retries 1 --timeout 20 \
        --index-url "$TORCH_INDEX_URL" torch || \
    echo "no torch from $TORCH_INDEX_URL: it comes from the usual index instead"
COPY --from=wanted /wanted/offline /wanted/objects ./
RUN /opt/packages/bin/pip install -c requirements.lock -r offline -r objects

FROM tools AS offline-app
WORKDIR /source
COPY pyproject.toml LICENSE hatch_build.py ./
COPY app ./app
COPY model ./model
COPY offline ./offline
RUN touch README.md && \
    /opt/packages/bin/pip install --no-deps --no-build-isolation --target /opt/app . && \
    rm /opt/app/bin/aisle-serve

FROM base AS offline
COPY --from=offline-packages /opt/packages /opt/packages
COPY --from=offline-app /opt/app /opt/app
USER 10001:10001
ENTRYPOINT ["aisle-offline"]
CMD ["--help"]

FROM packages AS load-packages
RUN /opt/packages/bin/pip install -c requirements.lock locust

FROM base AS load
COPY --from=load-packages /opt/packages /opt/packages
WORKDIR /load
COPY tests/load ./
USER 10001:10001
ENTRYPOINT ["locust", "-f", "storefront.py"]

FROM packages AS serve-gpu-packages
COPY --from=wanted /wanted/gpu ./
RUN /opt/packages/bin/pip install -c requirements.lock -r gpu && \
    /opt/packages/bin/pip install -c requirements.lock --no-deps tokenizers && \
    /opt/packages/bin/pip uninstall -y setuptools pip

# The driver comes from the machine, by NVIDIA's container toolkit; CUDA's own libraries are those that pip installed.
FROM service AS serve-gpu
COPY --from=serve-gpu-packages /opt/packages /opt/packages
RUN find /opt/packages -path '*/nvidia/*' -name '*.so*' -printf '%h\n' | sort -u >/etc/ld.so.conf.d/aisle.conf && ldconfig
COPY --from=serve-app /opt/app /opt/app
USER 10001:10001
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

# What `docker build .` makes when no target is named.
FROM serve
