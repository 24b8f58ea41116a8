# Made by mbuild. `docker build .` in this folder builds it; a change here is lost when it is rendered again.
ARG BASE=python:3.11-slim@sha256:abababababababababababababababababababababababababababababababab
ARG PLATFORM=linux/amd64
FROM --platform=${PLATFORM} ${BASE}

# One layer a folder, each shaped like the root file system: what changes rarely comes first.
COPY --chown=0:0 dependencies/ /
COPY --chown=0:0 server/ /
