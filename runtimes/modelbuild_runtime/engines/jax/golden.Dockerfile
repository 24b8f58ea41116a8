# Made by mbuild. `docker build .` in this folder builds it; a change here is lost when it is rendered again.
ARG BASE=python:3.11-slim@sha256:abababababababababababababababababababababababababababababababab
ARG PLATFORM=linux/amd64
FROM --platform=${PLATFORM} ${BASE}

# One layer a folder, each shaped like the root file system: what changes rarely comes first.
COPY dependencies/ /
COPY server/ /
COPY model/ /
COPY handler/ /
COPY manifest/ /

ENV HOME="/tmp" \
    MBUILD_PRELOAD="false" \
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
    mbuild.runtime="jax"
