# Made by mbuild. It installs requirements.lock by itself: building it needs a package index and, in BUILDER, pip.
ARG BASE=python:3.11-slim
ARG BUILDER=${BASE}
ARG PLATFORM=linux/arm64
FROM --platform=${PLATFORM} ${BUILDER} AS dependencies
USER 0:0
COPY requirements.lock /requirements.lock
# Bytecode that needs no time stamps, then no time stamps: so that equal inputs give equal layers.
RUN python3 -m pip install --no-cache-dir --no-compile --no-deps --require-hashes --disable-pip-version-check \
        --root-user-action ignore --only-binary :all: --no-binary delta \
        --find-links https://wheels/cpu/delta/ \
        --target /tree/opt/mbuild/deps -r /requirements.lock \
    && rm -rf /tree/opt/mbuild/deps/bin \
    && find /tree -name direct_url.json -delete \
    && (python3 -m compileall -q --invalidation-mode unchecked-hash -s /tree -p / /tree || true) \
    && find /tree -exec touch -h -d @0 {} +

FROM --platform=${PLATFORM} ${BASE}

# Libraries of the system that the framework needs.
USER 0:0
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        'a b' libgomp1 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/aux-cache /var/log/*
COPY --from=dependencies /tree/ /

# One layer a folder, each shaped like the root file system: what changes rarely comes first.
COPY server/ /
COPY model/ /
COPY handler/ /
COPY manifest/ /

ENV FOREST_TELEMETRY="0" \
    HOME="/tmp" \
    MBUILD_PORT="9000" \
    MOTTO="say \"hi\" to \$HOME \\ #1" \
    PYTHONDONTWRITEBYTECODE="1" \
    PYTHONPATH="/opt/mbuild/deps:/opt/mbuild/server" \
    PYTHONSAFEPATH="1" \
    PYTHONUNBUFFERED="1"
USER 65532:0
EXPOSE 9000 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python3", "-I", "-S", "/opt/mbuild/server/modelbuild_runtime/health.py"]
ENTRYPOINT ["python3", "-m", "modelbuild_runtime"]
CMD ["serve"]
LABEL mbuild.layers="dependencies server model handler manifest" \
    org.opencontainers.image.title="été \$5"
