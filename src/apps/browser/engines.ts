// The engines of a web page, made on demand in whichever worker needs one; modules are fetched by URL.

import { HostError } from '../../base/index.js';
import type { EngineFactories } from '../../domains/index.js';
import { compileModules, SoftwareEngine } from '../../processor/index.js';
import { translationService } from './translator.js';

/** Where the processor's modules are, and the program that translates beside the guests; without it they wait for it. */
export interface EngineUrls {
  readonly procedures: string;
  readonly interpreter: string;
  readonly translator?: string;
}

/** Fetches a file; `what` says what it was to be. */
export async function fetchBytes(url: string | URL, what = 'a file'): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw new HostError('HOST_FETCH', `cannot fetch '${url}': no answer, expected ${what}`, {}, { cause });
  }
  if (!response.ok) {
    const details = { status: response.status };
    throw new HostError('HOST_FETCH', `cannot fetch '${url}': status ${response.status}, expected ${what}`, details);
  }
  return new Uint8Array(await response.arrayBuffer());
}

export function browserEngines(urls: EngineUrls, shared: boolean): EngineFactories {
  return {
    software: async () => {
      const [procedures, interpreter] = await Promise.all([
        fetchBytes(urls.procedures, "the processor's procedures"),
        fetchBytes(urls.interpreter, "the processor's interpreter"),
      ]);
      const modules = await compileModules({ procedures, interpreter }, { shared });
      const { translator } = urls;
      return new SoftwareEngine(
        modules,
        {},
        shared && translator !== undefined ? translationService(translator) : null,
      );
    },
  };
}
