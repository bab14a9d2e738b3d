# syntax=docker/dockerfile:1
# The image of Lavalink Proxy: the program on a base without a shell, run by a user without rights.
# How to use it: docs/container.md. A test runs these steps by hand, see crates/lavalink-proxy/tests/real/container.rs.

# The dashboard, whose files are the same on every platform.
FROM --platform=$BUILDPLATFORM node:22-bookworm-slim AS dashboard
WORKDIR /src/dashboard
COPY dashboard/package.json dashboard/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY dashboard/ ./
RUN npm run build

# The program. The Debian release must be that of the last stage, whose C library it uses.
FROM rust:1-slim-bookworm AS program
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates/ crates/
COPY xtask/ xtask/
COPY --from=dashboard /src/dashboard/dist/ dashboard/dist/
RUN cargo build --release --locked --package lavalink-proxy
# Where the store goes: a volume begins with the rights that the folder has here.
RUN mkdir -p /image/data && cp target/release/lavalink-proxy /image/lavalink-proxy

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=program /image/lavalink-proxy /usr/local/bin/lavalink-proxy
COPY --from=program --chown=65532:65532 /image/data/ /data/

# A file named lavalink-proxy.toml is found here; without one the environment is enough.
WORKDIR /etc/lavalink-proxy
# These win over the file. The admin listener is reachable from outside, so a password must be set.
# One of the names has PASSWORD in it and its value is no secret:
# hadolint ignore=DL3064
ENV LAVALINK_PROXY__ADMIN__BIND=0.0.0.0:2334 \
    LAVALINK_PROXY__ADMIN__REQUIRE_PASSWORD=true \
    LAVALINK_PROXY__STORE__PATH=/data/lavalink-proxy.db

USER 65532:65532
VOLUME ["/data"]
EXPOSE 2333/tcp 2334/tcp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=6s --start-period=15s --retries=3 \
    CMD ["/usr/local/bin/lavalink-proxy", "probe", "--live"]
ENTRYPOINT ["/usr/local/bin/lavalink-proxy"]
