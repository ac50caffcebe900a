# tally in an image. CI does not build it.
#
#   docker build --tag tally .
#
# The first stage compiles everything, RocksDB first, as `make build` does.

FROM rust:1.95.0-slim-trixie AS build
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends build-essential libclang-dev \
    && rm -rf /var/lib/apt/lists/*
# The image has this toolchain; rust-toolchain.toml also asks for what only the lints need.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
RUN ./scripts/rocksdb.sh && cargo build --release --locked -p tally-cli

FROM debian:trixie-slim
# For TLS to the endpoints.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin tally \
    && install -d -o tally -g tally -m 0750 /var/lib/tally
COPY --from=build /src/target/release/tally /usr/local/bin/tally
USER tally
WORKDIR /var/lib/tally
VOLUME /var/lib/tally
# Not TALLY_LOG: a sink of the image takes its facts from a server, and a log besides is one source too many.
ENV TALLY_PROGRESS=lines
EXPOSE 8700 9464
STOPSIGNAL SIGTERM
# No HEALTHCHECK: the image has nothing that speaks HTTP. Ask /healthz and /readyz from outside.
ENTRYPOINT ["tally"]
CMD ["serve", "--log", "/var/lib/tally/pool.log"]
