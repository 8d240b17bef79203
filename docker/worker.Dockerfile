# Inspects, converts and, on the processor, makes smoke tests.
FROM python:3.11-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    WEIGHHOUSE_HOME=/var/lib/weighhouse \
    WEIGHHOUSE_LOG_FORMAT=json

# The sandbox needs libseccomp. Debian's own repository has one version a release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libseccomp2 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 weighhouse \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin weighhouse \
    && install -d -o weighhouse -g weighhouse /var/lib/weighhouse

WORKDIR /srv/weighhouse
COPY requirements/ requirements/
# With PyTorch's own index for processors as this argument the image is a third of the size.
ARG PIP_EXTRA_INDEX_URL=""
RUN pip install -r requirements/worker.txt \
    && pip install --no-deps -r requirements/vocabulary.txt

COPY manage.py ./
COPY registry/ registry/
COPY scanner/ scanner/
COPY templates/ templates/
# Every file is read by a process of its own, which should not compile the scanner first.
RUN python -m compileall -q scanner

USER 10001:10001
ENV WEIGHHOUSE_QUEUES=inspect,convert
HEALTHCHECK --interval=60s --timeout=20s --start-period=60s --retries=3 \
    CMD ["sh", "-c", "celery -A registry.celery inspect ping -d \"celery@$HOSTNAME\" --timeout 10"]
# exec: signals reach Celery, which finishes the step in hand.
CMD ["sh", "-c", "exec celery -A registry.celery worker --pool solo --queues \"$WEIGHHOUSE_QUEUES\" --loglevel WARNING --without-gossip --without-mingle"]
