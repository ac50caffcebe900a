// Makes TypeScript types of a server's OpenAPI document, has the compiler check a reader of the feed by them, and runs it.
//
// Usage: typescript.mjs DOCUMENT BASE_URL DIRECTORY
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";

const [document, url, directory] = process.argv.slice(2);
const types = astToString(await openapiTS(pathToFileURL(document)));
writeFileSync(join(directory, "tally.d.ts"), types);
// Without the narrowing by `type`, or with a status that is no word of it, this is no TypeScript.
writeFileSync(
  join(directory, "reader.ts"),
  `import type { components } from "./tally";
type Schemas = components["schemas"];
export async function read(url: string): Promise<string[]> {
  const response = await fetch(url + "/v1/feed?types=epoch_closed,distribution_ready&limit=2");
  const answer: Schemas["FeedAnswer"] = await response.json();
  const found: string[] = [];
  for (const fact of answer.facts) {
    if (fact.type === "epoch_closed") found.push(fact.rows[0]!.cumulative_wei);
    else if (fact.type === "distribution_ready") found.push(fact.root);
  }
  const refused = await fetch(url + "/v1/sequencers/999/claim");
  const problem: Schemas["Problem"] = await refused.json();
  const unknown: Schemas["Problem"]["type"] = "urn:tally:problem:unknown-sequencer";
  if (problem.type === unknown) found.push(problem.type);
  const status: Schemas["SequencerStatus"] = "Active";
  return status === "Active" ? found : [];
}
`,
);
const options = {
  strict: true,
  noUncheckedIndexedAccess: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ES2022,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
  types: [],
  outDir: directory,
};
const program = ts.createProgram([join(directory, "reader.ts")], options);
const faults = ts.getPreEmitDiagnostics(program);
for (const fault of faults) console.error(ts.flattenDiagnosticMessageText(fault.messageText, "\n"));
if (faults.length > 0) process.exit(1);
program.emit();
const reader = join(directory, "reader.mjs");
writeFileSync(reader, readFileSync(join(directory, "reader.js")));
const { read } = await import(pathToFileURL(reader).href);
for (const line of await read(url)) console.log(line);
