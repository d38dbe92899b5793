#!/usr/bin/env node
// Starts the built command line program; says what to do when it has not been built.
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

const dist = process.env.PCANEL_DIST ?? 'dist';
const built = new URL(`../${dist}/program/apps/cli/start.js`, import.meta.url);
if (!existsSync(built)) {
  process.stderr.write("pcanel: NOT_BUILT: the program has not been built: run 'npm run build'\n");
  process.exit(3);
}
// What V8 makes of the program is kept for the next start, where Node.js can do that (22.1 and later).
if (nodeModule.enableCompileCache !== undefined) {
  const folder = process.env.PCANEL_CACHE || join(homedir(), '.cache', 'pcanel');
  process.env.NODE_COMPILE_CACHE ??= join(folder, 'code'); // for threads
  nodeModule.enableCompileCache(process.env.NODE_COMPILE_CACHE);
}
const { program } = await import(built.href);
await program();
