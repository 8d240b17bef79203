# The portal, the API and the sweeper. No torch, and nothing that opens an uploaded file.
FROM python:3.11-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    WEIGHHOUSE_HOME=/var/lib/weighhouse \
    WEIGHHOUSE_LOG_FORMAT=json

# A fixed id: folders that several containers share belong to it.
RUN groupadd --gid 10001 weighhouse \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin weighhouse \
    && install -d -o weighhouse -g weighhouse /var/lib/weighhouse

WORKDIR /srv/weighhouse
COPY requirements/ requirements/
RUN pip install -r requirements/web.txt

COPY manage.py ./
COPY registry/ registry/
COPY scanner/ scanner/
COPY templates/ templates/
COPY static/ static/
COPY docker/healthcheck.py docker/healthcheck.py

USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["python", "docker/healthcheck.py"]
CMD ["gunicorn", "registry.wsgi:application", "--bind", "0.0.0.0:8000", "--preload", \
     "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--timeout", "60", \
     "--worker-tmp-dir", "/dev/shm", "--no-control-socket", "--forwarded-allow-ips", "*"]
