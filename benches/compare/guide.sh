#!/usr/bin/env bash
# The four steps of ARouter's rotation guide (docs.arouter.ai/guides/administration/api-key-rotation), as a workflow runs them:
# create, deploy, verify, delete. curl and jq at the issuer, and the calls of its secret action, which is an Octokit script. The
# key in use makes its successor, and the successor deletes it. The id of the key in use is known; where it is not, the guide
# needs one more request.
set -euo pipefail

created=$(curl --fail --silent --show-error --request POST "$ISSUER_URL/v1/keys" \
    --header "Authorization: Bearer $OLD_KEY" --header 'Content-Type: application/json' \
    --data "{\"name\": \"$NAME\", \"allowed_providers\": [\"openai\"], \"spending_limit\": 50}")
VALUE=$(jq --raw-output .key <<<"$created")
export VALUE
node "$NODE_FOLDER/secrets.mjs"
curl --fail --silent --show-error --output /dev/null "$ISSUER_URL/v1/models" --header "Authorization: Bearer $VALUE"
curl --fail --silent --show-error --output /dev/null --request DELETE "$ISSUER_URL/v1/keys/$OLD_ID" \
    --header "Authorization: Bearer $VALUE"
