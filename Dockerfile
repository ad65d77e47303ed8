# The action's image: one static program, the roots it trusts, and the licences of both. No shell, no libc, nothing to update but these.
#
# The runner starts it as root, in its own working directory and with its own HOME: so neither USER nor WORKDIR stands here.

FROM docker.io/library/rust:1.95-alpine AS build
# aws-lc-sys compiles C. On musl it needs no CMake and no bindgen.
RUN apk add --no-cache ca-certificates gcc musl-dev
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin keyrotor \
    && mv target/release/keyrotor /keyrotor

FROM scratch
# A release states both.
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="keyrotor" \
    org.opencontainers.image.description="Rotates an ARouter API key with no downtime" \
    org.opencontainers.image.source="https://github.com/keyrotor/keyrotor" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY LICENSE* /licenses/
COPY --from=build /keyrotor /keyrotor
ENTRYPOINT ["/keyrotor"]
