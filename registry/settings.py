"""Django's settings, made from the environment (see ``registry/env.py``)."""

from __future__ import annotations

from typing import Any

import dj_database_url

from registry import env as environment

ENV = environment.read()
ROOT = environment.ROOT
HOME = ENV.home
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

SECRET_KEY = ENV.secret_key
DEBUG = ENV.debug
ALLOWED_HOSTS = list(ENV.hosts or filter(None, (*_LOOPBACK, ENV.bind.rpartition(":")[0])))
CSRF_TRUSTED_ORIGINS = list(ENV.origins)

INSTALLED_APPS = [
    "registry.apps.RegistryConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "registry.headers.ContentSecurityPolicy",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "registry.urls"
WSGI_APPLICATION = "registry.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "registry.portal.context.site",
            ],
        },
    }
]

_database: dict[str, Any] = dict(dj_database_url.parse(ENV.database, conn_max_age=60))
if _database["ENGINE"].endswith("sqlite3"):
    _database["OPTIONS"] = {
        # One writer at a time, decided when the transaction starts rather than at its first write.
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    _database["CONN_HEALTH_CHECKS"] = False
else:
    _database["CONN_HEALTH_CHECKS"] = True
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "registry.User"
LOGIN_URL = "portal:sign-in"
LOGIN_REDIRECT_URL = "portal:catalogue"
LOGOUT_REDIRECT_URL = "portal:sign-in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
USE_I18N = False

STATIC_URL = "/static/"
STATIC_ROOT = HOME / "static"
STATICFILES_DIRS = [ROOT / "static"]
WHITENOISE_KEEP_ONLY_HASHED_FILES = True


def _blob_storage() -> dict[str, Any]:
    if ENV.blobs.startswith("s3://"):
        bucket, _, prefix = ENV.blobs.removeprefix("s3://").partition("/")
        options = {"bucket_name": bucket, "location": prefix, "file_overwrite": True}
        if ENV.s3_endpoint:
            options["endpoint_url"] = ENV.s3_endpoint
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    return {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": ENV.blobs, "file_permissions_mode": 0o640},
    }


STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    "blobs": _blob_storage(),
}
#: Work under way: incoming uploads, conversions, pictures. On the blobs' own file system when they
#: are local, so that taking a file in is a rename.
SCRATCH = HOME / "scratch"

# Uploads stream to the blob store; what Django itself may buffer stays small.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
# Only streams.form takes files, and brings its own handler: otherwise a form of any length, from
# anybody, would be kept in a temporary file before its CSRF token has been looked at.
FILE_UPLOAD_HANDLERS = ["registry.streams.NoFiles"]

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENV.https
SESSION_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if ENV.https:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True

_MAILERS = {"none": "dummy", "console": "console", "file": "filebased"}
EMAIL_BACKEND = f"django.core.mail.backends.{_MAILERS.get(ENV.email.kind, 'smtp')}.EmailBackend"
EMAIL_HOST = ENV.email.host
EMAIL_PORT = ENV.email.port
EMAIL_HOST_USER = ENV.email.user
EMAIL_HOST_PASSWORD = ENV.email.password
EMAIL_USE_TLS = ENV.email.kind == "smtp+tls"
EMAIL_USE_SSL = ENV.email.kind == "smtps"
EMAIL_FILE_PATH = ENV.email.path
# Others wait behind it.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = ENV.email_from

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "registry.api.authentication.TokenAuthentication",
        "registry.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["registry.api.permissions.MemberOrOpenSite"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "registry.api.pagination.Cursor",
    "EXCEPTION_HANDLER": "registry.api.errors.handle",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Weighhouse",
    "DESCRIPTION": "A model registry that weighs, opens and stamps before it serves.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": ["registry.api.schema.without_twins"],
    "ENUM_NAME_OVERRIDES": {
        "Kind": "registry.states.Kind",
        "EventKind": "registry.states.EventKind",
        "Role": "registry.states.Role",
        "ArtifactRole": "registry.states.ArtifactRole",
        "Stage": "registry.states.Stage",
        "Visibility": "registry.states.Visibility",
        "NoticeKind": "registry.states.NoticeKind",
        "RunState": "registry.states.RunState",
        "SmokeVerdict": "registry.states.SmokeVerdict",
    },
}

CELERY_BROKER_URL = ENV.broker
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
# Early: the database is the truth, and a long step must not run into a broker's timeout.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# The sweeper rings again: a broker that is down must not hold a request up.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_TASK_DEFAULT_QUEUE = "inspect"
if ENV.broker.startswith("filesystem:"):
    _spool = str(HOME / "broker")
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        "data_folder_in": _spool,
        "data_folder_out": _spool,
        "control_folder": str(HOME / "broker-control"),
        "polling_interval": 0.1,
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "max_retries": 0,
        "interval_start": 0,
        "interval_step": 0,
        "interval_max": 0,
        "socket_connect_timeout": 1,
        "connect_timeout": 1,
    }
if ENV.broker.startswith("amqp"):
    from kombu.entity import Queue

    CELERY_TASK_QUEUES = [
        Queue(name, queue_arguments={"x-queue-type": "quorum"})  # type: ignore[no-untyped-call]
        for name in ("inspect", "convert", "smoke", "mail")
    ]
    CELERY_TASK_CREATE_MISSING_QUEUES = False
    CELERY_WORKER_DETECT_QUORUM_QUEUES = True
    CELERY_BROKER_TRANSPORT_OPTIONS["confirm_publish"] = True

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "console": {"()": "registry.logs.formatter", "json": False},
        "json": {"()": "registry.logs.formatter", "json": True},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "json" if ENV.log_format == "json" else "console",
        }
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django.request": {"level": "ERROR"},
        # The stranger is told; a traceback for each of them would bury what matters.
        "django.security.DisallowedHost": {"level": "CRITICAL", "propagate": False},
        "celery": {"level": "WARNING"},
        # It says that a folder has no host name.
        "kombu.connection": {"level": "ERROR"},
    },
}

WEIGHHOUSE_MAX_UPLOAD = ENV.max_upload
WEIGHHOUSE_OPEN = ENV.open
WEIGHHOUSE_HF_ENDPOINT = ENV.hf_endpoint
WEIGHHOUSE_SENDFILE = ENV.sendfile
WEIGHHOUSE_LEASE = ENV.lease
WEIGHHOUSE_DEVICE = ENV.device
WEIGHHOUSE_MAIL = ENV.email.kind != "none"
#: Where people reach the site, for the links in e-mails.
WEIGHHOUSE_ADDRESS = (ENV.origins[0] if ENV.origins else f"http://{ENV.bind}").rstrip("/")
