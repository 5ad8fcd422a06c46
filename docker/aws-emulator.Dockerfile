# Emulated AWS (ministack) for tests and laptops: never for real jobs. Built by `make images`, from the root of the repository.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY locks/aws-emulator.txt /src/
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/aws-emulator \
    && pip --python /opt/aws-emulator/bin/python install -q --only-binary :all: --require-hashes -r /src/aws-emulator.txt

FROM ${BASE}
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin emulator
COPY --from=build /opt/aws-emulator /opt/aws-emulator
COPY docker/healthcheck.py /usr/local/bin/healthcheck
# Two of its services listen on fixed ports, and nobody here uses them.
ENV PATH=/opt/aws-emulator/bin:${PATH} PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    GATEWAY_PORT=4566 IOT_MTLS_ENABLED=0 SFTP_ENABLED=0 LOG_LEVEL=WARNING
USER 10001:10001
EXPOSE 4566
HEALTHCHECK --interval=5s --timeout=10s --start-period=60s --retries=3 \
    CMD ["healthcheck", "http://127.0.0.1:${GATEWAY_PORT}/_ministack/health"]
ENTRYPOINT ["python", "-m", "ministack"]

ARG SOURCE=https://github.com/bedrock-quarry/quarry
ARG VERSION=0+unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="quarry-aws-emulator" \
      org.opencontainers.image.description="The emulated AWS that Quarry is tried and tested on." \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
