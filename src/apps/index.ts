// The library (`import { Pcanel } from 'pcanel'`), the command line program `pcanel`, and its server.
export * from './api/index.js';
