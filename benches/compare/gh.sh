#!/usr/bin/env bash
# The guide's steps with GitHub's own client in place of the action: a process for each secret, PARALLEL at a time.
set -euo pipefail

created=$(curl --fail --silent --show-error --request POST "$ISSUER_URL/v1/keys" \
    --header "Authorization: Bearer $OLD_KEY" --header 'Content-Type: application/json' \
    --data "{\"name\": \"$NAME\", \"allowed_providers\": [\"openai\"], \"spending_limit\": 50}")
VALUE=$(jq --raw-output .key <<<"$created")
export VALUE
# shellcheck disable=SC2016 # the inner shell reads it, so that the value stands in no arguments
xargs --max-procs "$PARALLEL" --max-args 1 \
    sh -c 'printf %s "$VALUE" | "$GH" secret set "$SECRET" --repo "$GH_HOST/$0"' <"$REPOSITORIES"
curl --fail --silent --show-error --output /dev/null "$ISSUER_URL/v1/models" --header "Authorization: Bearer $VALUE"
curl --fail --silent --show-error --output /dev/null --request DELETE "$ISSUER_URL/v1/keys/$OLD_ID" \
    --header "Authorization: Bearer $VALUE"
