# One image for both backends: they differ in command only.
ARG NODE_IMAGE=node:24-slim
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${NODE_IMAGE} AS web
WORKDIR /tandem/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci
COPY web/ ./
RUN npm run build

FROM ${PYTHON_IMAGE} AS packages
WORKDIR /tandem
COPY requirements-server.lock ./
RUN python3 -m venv /tandem/.venv \
 && /tandem/.venv/bin/pip install --no-cache-dir --require-hashes -r requirements-server.lock

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Tandem" org.opencontainers.image.version="0.1.0"
WORKDIR /tandem
COPY --from=packages /tandem/.venv /tandem/.venv
COPY chat_core/ chat_core/
COPY launch/ launch/
COPY async_chat/ async_chat/
COPY sync_chat/ sync_chat/
COPY --from=web /tandem/web/dist web/dist
ENV PATH=/tandem/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 CHAT_HOST=0.0.0.0
USER 10001:10001
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 \
  CMD ["python3", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['CHAT_PORT']}/readyz\", timeout=2)"]
CMD ["python3", "-m", "async_chat"]
