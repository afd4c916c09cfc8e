# syntax=docker/dockerfile:1
# The base is named by tag, because a digest here would soon be an old Debian. The release workflow resolves the tag to its
# current digest, builds with BASE=python:3.13-slim-trixie@sha256:…, and records both in the labels.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
WORKDIR /src
COPY .ci/uv.txt ./
RUN python3 -m venv /uv && \
    /uv/bin/pip install --quiet --no-cache-dir --only-binary=:all: --require-hashes --requirement uv.txt
ENV UV_PROJECT_ENVIRONMENT=/opt/etpguard UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
COPY pyproject.toml uv.lock ./
# --locked refuses a lock that does not match pyproject.toml. Every package must have the hash from the lock.
RUN /uv/bin/uv sync --quiet --system-certs --locked --no-dev --no-install-project --python "$(command -v python3)"
COPY operator/etpguard ./etpguard
# Leave out the code that the kubernetes package generates for each API. etpguard uses only its HTTP client
# (kube/exchange.py), and Python loads these modules only on import.
RUN set -eu; \
    packages="$(/opt/etpguard/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"; \
    for client in client aio/client; do \
        find "$packages/kubernetes/$client/api" "$packages/kubernetes/$client/models" \
            -name '*.py' ! -name __init__.py -delete; \
    done; \
    cp -r etpguard "$packages/"; \
    find "$packages" -name tests -type d -prune -exec rm -rf {} +; \
    find /opt/etpguard/bin -type f ! -name 'python*' -delete; \
    printf '#!/opt/etpguard/bin/python\nfrom etpguard.__main__ import program\n\nprogram()\n' >/opt/etpguard/bin/etpguard; \
    chmod 755 /opt/etpguard/bin/etpguard; \
    /opt/etpguard/bin/python -m compileall -q --invalidation-mode unchecked-hash "$packages"

FROM ${BASE}
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="etpguard" \
      org.opencontainers.image.description="Finds the nodes that drop external traffic to Services with externalTrafficPolicy: Local, and remediates on request" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The operator installs nothing, and scanners of images report faults of pip.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/site-packages/pip*
COPY --from=build /opt/etpguard /opt/etpguard
COPY LICENSE /LICENSE
# PATH is for `kubectl exec … -- etpguard`.
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp PATH=/opt/etpguard/bin:$PATH
USER 65532:65532
WORKDIR /
EXPOSE 8080
ENTRYPOINT ["/opt/etpguard/bin/python", "-m", "etpguard"]
CMD ["run"]
