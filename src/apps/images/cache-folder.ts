// Where this program keeps what it can fetch or make again. Small, because a program starts with it.

import { homedir } from 'node:os';
import { join } from 'node:path';

/** PCANEL_CACHE, else ~/.cache/pcanel. */
export const cacheFolder = (): string => process.env.PCANEL_CACHE || join(homedir(), '.cache', 'pcanel');
