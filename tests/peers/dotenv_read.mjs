// The reading of `.env` files by npm's dotenv: a JSON list of files, each as base64, becomes a JSON list of what each says.

import { readFileSync } from "node:fs";
import dotenv from "dotenv";

const files = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(files.map((file) => dotenv.parse(Buffer.from(file, "base64")))));
