# Made by mbuild. It installs requirements.lock by itself: building it needs a package index and, in BUILDER, pip.
ARG BASE=python:3.11-slim@sha256:abababababababababababababababababababababababababababababababab
ARG BUILDER=${BASE}
ARG PLATFORM=linux/amd64
FROM --platform=${PLATFORM} ${BUILDER} AS dependencies
USER 0:0
COPY requirements.lock /requirements.lock
# Bytecode that needs no time stamps, then no time stamps: so that equal inputs give equal layers.
RUN python3 -m pip install --no-cache-dir --no-compile --no-deps --require-hashes --disable-pip-version-check \
        --root-user-action ignore --only-binary :all: \
        --target /tree/opt/mbuild/deps -r /requirements.lock \
    && rm -rf /tree/opt/mbuild/deps/bin \
    && find /tree -name direct_url.json -delete \
    && (python3 -m compileall -q --invalidation-mode unchecked-hash -s /tree -p / /tree || true) \
    && find /tree -exec touch -h -d @0 {} +

FROM --platform=${PLATFORM} ${BASE}
COPY --from=dependencies /tree/ /

# One layer a folder, each shaped like the root file system: what changes rarely comes first.
COPY server/ /
COPY model/ /
COPY handler/ /
COPY manifest/ /

ENV FOREST_TELEMETRY="0" \
    HOME="/tmp" \
    PYTHONDONTWRITEBYTECODE="1" \
    PYTHONPATH="/opt/mbuild/deps:/opt/mbuild/server" \
    PYTHONSAFEPATH="1" \
    PYTHONUNBUFFERED="1"
USER 65532:0
EXPOSE 8080 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python3", "-I", "-S", "/opt/mbuild/server/modelbuild_runtime/health.py"]
ENTRYPOINT ["python3", "-m", "modelbuild_runtime"]
CMD ["serve"]
LABEL mbuild.layers="dependencies server model handler manifest" \
    mbuild.runtime="forest" \
    org.opencontainers.image.title="fraud"
