// GitHub's own client writes a secret, as GitHub's page "Encrypting secrets for the REST API" shows, reads what there is to
// read, and removes another secret: node octokit.mjs. What it is to do comes in variables; it prints one line of JSON.

import sodium from "libsodium-wrappers";
import { Octokit } from "octokit";

const { API_URL, TOKEN, OWNER, REPO, NAME, VALUE, GONE } = process.env;
const { rest } = new Octokit({ auth: TOKEN, baseUrl: API_URL, retry: { enabled: false }, throttle: { enabled: false } });
const repository = { owner: OWNER, repo: REPO };

await sodium.ready;
const { data: publicKey } = await rest.actions.getRepoPublicKey(repository);
const box = sodium.crypto_box_seal(
  sodium.from_string(VALUE),
  sodium.from_base64(publicKey.key, sodium.base64_variants.ORIGINAL),
);
const written = await rest.actions.createOrUpdateRepoSecret({
  ...repository,
  secret_name: NAME,
  encrypted_value: sodium.to_base64(box, sodium.base64_variants.ORIGINAL),
  key_id: publicKey.key_id,
});
const removed = await rest.actions.deleteRepoSecret({ ...repository, secret_name: GONE });
const { data: shown } = await rest.actions.getRepoSecret({ ...repository, secret_name: NAME });
const { data: list } = await rest.actions.listRepoSecrets(repository);
const missing = await rest.actions.getRepoSecret({ ...repository, secret_name: GONE }).catch(({ status }) => status);

const names = list.secrets.map(({ name }) => name);
console.log(JSON.stringify({ written: written.status, removed: removed.status, shown, names, missing }));
