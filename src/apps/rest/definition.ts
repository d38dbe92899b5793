// What of a domain file's keys the REST interface accepts: the same schema, without code and with files from one folder.

import { z } from '@hono/zod-openapi';
import { domainSchema as entrySchema } from '../cli/domain-file.js';

const e = entrySchema.shape;
/** Keys are taken over one by one: a new key of domain files is not open to the network before it is listed here. */
export const definitionSchema = z
  .strictObject({
    name: e.name,
    image: e.image,
    kernel: e.kernel,
    multiboot: e.multiboot,
    bios: e.bios,
    cdrom: e.cdrom,
    disk: e.disk,
    floppy: e.floppy,
    boot: e.boot,
    display: e.display,
    modules: e.modules,
    initrd: e.initrd,
    cmdline: e.cmdline,
    memory: e.memory,
    time: e.time,
    engine: e.engine,
    cpuModel: e.cpuModel,
    cpus: e.cpus,
    cpu: e.cpu,
    pcpus: e.pcpus,
    realtime: e.realtime,
    weight: e.weight,
    onReset: e.onReset,
    onTripleFault: e.onTripleFault,
    exitDevice: e.exitDevice,
    limit: e.limit,
    wallClock: e.wallClock,
    policy: e.policy,
  })
  .openapi('Definition', {
    description: 'A domain as in a domain file, without scripts and code; file names are inside the images folder',
  });
export type Definition = z.infer<typeof definitionSchema>;
