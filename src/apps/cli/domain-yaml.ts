// The text of the YAML file of `pcanel up`. Source: YAML 1.2.2.

import { parseDocument } from 'yaml';
import { ConfigError } from '../../base/index.js';
import { checkDomainFile, type DomainFile } from './domain-file.js';

/** Parses and checks the text of a domain file; `path` is for messages. */
export function parseDomainFile(text: string, path: string): DomainFile {
  const document = parseDocument(text);
  const broken = document.errors[0];
  if (broken !== undefined) {
    const message = `${path}: ${broken.message.split('\n')[0]?.replace(/:$/, '')}`;
    throw new ConfigError('CONFIG_YAML', message, { file: path });
  }
  return checkDomainFile(document.toJS(), path);
}
