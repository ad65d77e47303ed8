// OpenRouter's own SDK manages keys at the stand-in: node openrouter.mjs. It holds every answer against its strict models, so
// that a field which is missing or of another type ends this. What it is to do comes in variables; it prints one line of JSON.

import { OpenRouter } from "@openrouter/sdk";

const { API_URL, MANAGEMENT_KEY, NAME, RENAMED } = process.env;
const at = (apiKey) => new OpenRouter({ apiKey, serverURL: `${API_URL}/api/v1`, retryConfig: { strategy: "none" } });
const { apiKeys } = at(MANAGEMENT_KEY);

const made = await apiKeys.create({ requestBody: { name: NAME, limit: 25, limitReset: "monthly" } });
const own = await at(made.key).apiKeys.getCurrentKeyMetadata();
const { hash } = made.data;
const renamed = await apiKeys.update({ hash, requestBody: { name: RENAMED } });
const off = await apiKeys.update({ hash, requestBody: { disabled: true } });
const list = await apiKeys.list({ includeDisabled: true });
const shown = await apiKeys.list({ includeDisabled: false });
const gone = await apiKeys.delete({ hash });
const refused = await apiKeys.update({ hash, requestBody: { disabled: false } }).catch(({ statusCode }) => statusCode);

console.log(JSON.stringify({
  key: made.key,
  hash,
  limit: own.data.limit,
  renamed: renamed.data.name,
  off: off.data.disabled,
  listed: list.data.map(({ name }) => name),
  shown: shown.data.map(({ name }) => name),
  gone: gone.deleted,
  refused,
}));
