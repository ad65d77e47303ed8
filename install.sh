#!/bin/sh
# Installs keyrotor from a release, once GitHub has shown that this repository's release workflow built it:
#
#   sh install.sh [VERSION]
#
# Without a version the newest one. It goes to ~/.local/bin, or to KEYROTOR_INSTALL_DIR.
set -eu

repository=keyrotor/keyrotor
into=${KEYROTOR_INSTALL_DIR:-$HOME/.local/bin}

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

case "$(uname -s) $(uname -m)" in
    'Linux x86_64') triple=x86_64-unknown-linux-musl ;;
    'Linux aarch64' | 'Linux arm64') triple=aarch64-unknown-linux-musl ;;
    'Darwin x86_64') triple=x86_64-apple-darwin ;;
    'Darwin arm64') triple=aarch64-apple-darwin ;;
    *) fail "there is no keyrotor for $(uname -s) on $(uname -m): build it with Cargo" ;;
esac
command -v gh >/dev/null || fail "gh is missing, which checks who built keyrotor: install it (https://cli.github.com), then run gh auth login"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
archive=keyrotor-$triple.tar.gz
version=${1:-}
gh release download ${version:+"v${version#v}"} --repo "$repository" --pattern "$archive" --dir "$folder" \
    || fail "$archive could not be downloaded"
gh attestation verify "$folder/$archive" --repo "$repository" \
    --signer-workflow "$repository/.github/workflows/release.yml" >/dev/null \
    || fail "nothing shows that $archive is what the release workflow built: it is not installed"
tar -xzf "$folder/$archive" -C "$folder" keyrotor
mkdir -p "$into" || fail "$into can't be made: set KEYROTOR_INSTALL_DIR"
# Beside its place first: a program that runs can't be written over, and half of one is none.
{ cp "$folder/keyrotor" "$into/.keyrotor-$$" && chmod 755 "$into/.keyrotor-$$" && mv -f "$into/.keyrotor-$$" "$into/keyrotor"; } \
    || fail "$into can't be written: set KEYROTOR_INSTALL_DIR"
printf 'installed %s as %s\n' "$("$into/keyrotor" --version)" "$into/keyrotor"
case ":$PATH:" in
    *":$into:"*) ;;
    *) printf 'add %s to your PATH\n' "$into" ;;
esac
