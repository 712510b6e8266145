# One image for both backends, which differ in command only, and before it (target `gateway`) what is in front of them.
# Other base images, and with them other registries: by build argument.
ARG NODE_IMAGE=node:24-slim
ARG PYTHON_IMAGE=python:3.13-slim
ARG GATEWAY_IMAGE=caddy:2.10-alpine

FROM ${GATEWAY_IMAGE} AS gateway
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Tandem gateway" org.opencontainers.image.version="${VERSION}"
COPY deploy/gateway/Caddyfile /etc/caddy/Caddyfile
# A volume takes over whose this is.
RUN mkdir /certificates && chown 10001:10001 /certificates
ENV XDG_DATA_HOME=/certificates XDG_CONFIG_HOME=/tmp
USER 10001:10001
EXPOSE 8080 8443
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]

FROM ${NODE_IMAGE} AS web
# A mirror of the npm registry, such as https://npm.example/; empty: npm's own.
ARG NPM_CONFIG_REGISTRY
WORKDIR /tandem/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci
COPY web/ ./
RUN npm run build

FROM ${PYTHON_IMAGE} AS tools
# The monitor, and the load test for servers that run already.
ARG VERSION=0.1.0
ARG PIP_INDEX_URL
LABEL org.opencontainers.image.title="Tandem tools" org.opencontainers.image.version="${VERSION}"
WORKDIR /tandem
COPY requirements-tools.lock ./
RUN python3 -m venv .venv && .venv/bin/pip install --no-cache-dir --require-hashes -r requirements-tools.lock \
 && .venv/bin/pip uninstall --yes pip
COPY chat_core/ chat_core/
COPY launch/ launch/
COPY stack/ stack/
COPY loadtest/ loadtest/
COPY --from=web /tandem/web/dist web/dist
RUN mkdir /runs /run/tandem && chown 10001:10001 /runs /run/tandem
ENV PATH=/tandem/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
ENTRYPOINT ["python3", "-m", "loadtest"]
CMD ["list"]

FROM ${PYTHON_IMAGE} AS packages
# A mirror of the Python Package Index, such as https://pypi.example/simple; empty: pip's own.
ARG PIP_INDEX_URL
WORKDIR /tandem
COPY requirements-server.lock ./
RUN python3 -m venv .venv && .venv/bin/pip install --no-cache-dir --require-hashes -r requirements-server.lock \
 && .venv/bin/pip uninstall --yes pip

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Tandem" \
      org.opencontainers.image.description="One chat on two servers: FastAPI and Flask" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
WORKDIR /tandem
COPY --from=packages /tandem/.venv .venv
COPY LICENSE ./
COPY chat_core/ chat_core/
COPY launch/ launch/
COPY async_chat/ async_chat/
COPY sync_chat/ sync_chat/
COPY --from=web /tandem/web/dist web/dist
RUN .venv/bin/python3 -m compileall -q chat_core launch async_chat sync_chat \
 && mkdir /run/tandem && chown 10001:10001 /run/tandem
ENV PATH=/tandem/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 CHAT_HOST=0.0.0.0 CHAT_PORT=8000
EXPOSE 8000 9100
USER 10001:10001
HEALTHCHECK --interval=5s --timeout=4s --start-period=15s --retries=3 CMD ["python3", "-m", "launch.ready"]
CMD ["python3", "-m", "async_chat"]
