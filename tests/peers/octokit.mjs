// GitHub's own client writes a secret, as GitHub's page "Encrypting secrets for the REST API" shows, reads what there is to
// read, and removes another secret: node octokit.mjs. What it is to do comes in variables; it prints one line of JSON.

import sodium from "libsodium-wrappers";
import { Octokit } from "octokit";

const { API_URL, TOKEN, OWNER, REPO, NAME, VALUE, GONE } = process.env;
const { request, rest } = new Octokit({ auth: TOKEN, baseUrl: API_URL, retry: { enabled: false }, throttle: { enabled: false } });
const repository = { owner: OWNER, repo: REPO };

await sodium.ready;
const sealed = ({ key, key_id }) => {
  const box = sodium.crypto_box_seal(
    sodium.from_string(VALUE),
    sodium.from_base64(key, sodium.base64_variants.ORIGINAL),
  );
  return { ...repository, secret_name: NAME, encrypted_value: sodium.to_base64(box, sodium.base64_variants.ORIGINAL), key_id };
};
const { data: publicKey } = await rest.actions.getRepoPublicKey(repository);
const written = await rest.actions.createOrUpdateRepoSecret(sealed(publicKey));
// It has types of these calls, and no functions.
const agents = "/repos/{owner}/{repo}/agents/secrets";
const { data: agentsKey } = await request(`GET ${agents}/public-key`, repository);
await request(`PUT ${agents}/{secret_name}`, sealed(agentsKey));
const removed = await rest.actions.deleteRepoSecret({ ...repository, secret_name: GONE });
const { data: shown } = await rest.actions.getRepoSecret({ ...repository, secret_name: NAME });
const { data: list } = await rest.actions.listRepoSecrets(repository);
const missing = await rest.actions.getRepoSecret({ ...repository, secret_name: GONE }).catch(({ status }) => status);

const names = list.secrets.map(({ name }) => name);
console.log(JSON.stringify({ written: written.status, removed: removed.status, shown, names, missing }));
