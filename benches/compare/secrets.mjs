// Writes one value into a secret of many repositories, PARALLEL at a time, with the calls of the actions that do so.

import { readFile } from "node:fs/promises";
import sodium from "libsodium-wrappers";
import { Octokit } from "octokit";

const { API_URL, TOKEN, REPOSITORIES, SECRET, VALUE, PARALLEL } = process.env;
const { rest } = new Octokit({ auth: TOKEN, baseUrl: API_URL, retry: { enabled: false }, throttle: { enabled: false } });
const waiting = (await readFile(REPOSITORIES, "utf8")).trim().split("\n");

await sodium.ready;
const base64 = sodium.base64_variants.ORIGINAL;

async function work() {
  for (let name = waiting.shift(); name; name = waiting.shift()) {
    const [owner, repo] = name.split("/");
    const { data: key } = await rest.actions.getRepoPublicKey({ owner, repo });
    const box = sodium.crypto_box_seal(sodium.from_string(VALUE), sodium.from_base64(key.key, base64));
    await rest.actions.createOrUpdateRepoSecret({
      owner,
      repo,
      secret_name: SECRET,
      encrypted_value: sodium.to_base64(box, base64),
      key_id: key.key_id,
    });
  }
}

await Promise.all(Array.from({ length: Number(PARALLEL) }, work));
