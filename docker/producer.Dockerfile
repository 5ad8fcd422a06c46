# The REST API, on any image that has Python 3.11 or later as `python`. Built by `make images`, from the root of the repository.
ARG BASE=python:3.11-slim-bookworm

# --- The same in worker.Dockerfile and producer.Dockerfile, so that it is built once ---
FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# Packages change seldom, Quarry often: each is a layer of its own. Every package is held to its hash. With those that send traces,
# which are imported only where tracing is on.
COPY locks/otel.txt locks/build.txt locks/
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/quarry \
    && pip --python /opt/quarry/bin/python install -q --only-binary :all: --require-hashes -r locks/otel.txt \
    && rm /opt/quarry/bin/[Aa]ctivate* \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install -q --only-binary :all: --require-hashes -r locks/build.txt
COPY LICENSE README.md pyproject.toml ./
COPY quarry quarry
COPY producer producer
COPY worker worker
RUN /opt/build/bin/pip wheel -q --no-cache-dir --no-deps --no-build-isolation --no-index --wheel-dir /dist . \
    && pip --python /opt/quarry/bin/python install -q --no-cache-dir --no-deps --no-index /dist/*.whl

FROM ${BASE}
# Nothing that installs or builds stays, be it the base's, and nothing that gives rights: what breaks in should find no tools.
RUN find / -xdev \( -path '*-packages/pip*' -o -path '*-packages/setuptools*' -o -path '*-packages/wheel*' \
        -o -path '*-packages/pkg_resources' -o -path '*/ensurepip' -o -path '/usr/share/python-wheels' \
        -o -path '/usr/bin/pip*' -o -path '/usr/local/bin/pip*' -o -path '/usr/local/bin/wheel' \) -prune -exec rm -rf {} + \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin quarry
COPY --from=build /opt/quarry /opt/quarry
COPY docker/healthcheck.py /usr/local/bin/healthcheck
# The root may be read-only, so whatever Python itself has to compile is compiled here.
RUN /opt/quarry/bin/python -c 'import producer.app, worker.app, quarry.simulator.server, quarry.provision, quarry.telemetry.otlp, http.client' \
    && /opt/quarry/bin/quarry --help > /dev/null
ENV PATH=/opt/quarry/bin:${PATH} PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
ENTRYPOINT ["quarry"]
# --- ---

# The port for metrics is for whoever runs the container: publish 8000 only.
ENV QUARRY_API__METRICS_HOST=0.0.0.0 QUARRY_API__METRICS_PORT=9091
EXPOSE 8000 9091
HEALTHCHECK --interval=5s --timeout=10s --start-period=60s --retries=3 \
    CMD ["healthcheck", "http://127.0.0.1:8000/livez"]
CMD ["api", "--host", "0.0.0.0", "--port", "8000"]

ARG SOURCE=https://github.com/bedrock-quarry/quarry
ARG VERSION=0+unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="quarry-producer" \
      org.opencontainers.image.description="Quarry's REST API: takes jobs, and tells what became of them." \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
