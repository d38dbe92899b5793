// The shapes of the REST interface and of what the live WebSocket sends: the one source of checks, types and OpenAPI.

import { z } from '@hono/zod-openapi';
import { DOMAIN_NAME, KEY_NAMES } from '../../domains/index.js';
import { EXIT_NAMES } from '../../vmx/index.js';
import { definitionSchema } from './definition.js';

const hexText = z.string().regex(/^0x[0-9a-fA-F]+$/, "expected hexadecimal text such as '0x1000'");
const count = z.number().int().min(0);
const ns = z.number();
const exitName = z.enum(EXIT_NAMES as unknown as [string, ...string[]]);

export const nameSchema = z.string().regex(DOMAIN_NAME).openapi({ description: 'Name of a domain', example: 'linux' });

export const errorSchema = z
  .object({
    error: z.object({
      code: z.string().openapi({ description: 'Stable, AREA_WHAT', example: 'DOMAIN_UNKNOWN' }),
      message: z.string().openapi({ description: 'One sentence: what, which value, what was expected' }),
      details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
    }),
  })
  .openapi('Error');

export const outcomeSchema = z
  .object({
    kind: z.enum(['powerOff', 'exit', 'reset', 'halted', 'tripleFault', 'error', 'stopped', 'scriptFailed']),
    status: z.number().optional().openapi({ description: 'Of `exit`: (value written << 1) | 1' }),
    code: z.string().optional(),
    message: z.string().optional(),
    by: z.enum(['user', 'script']).optional(),
  })
  .openapi('Outcome', { description: 'How a domain ended' });

export const DOMAIN_STATES = ['defined', 'loading', 'created', 'running', 'paused', 'stopped'] as const;
export const domainSchema = z
  .object({
    name: nameSchema,
    state: z.enum(DOMAIN_STATES).openapi({
      description: '`defined`: nothing is loaded. `loading`: files are read. `stopped`: see the outcome',
    }),
    outcome: outcomeSchema.nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable().openapi({
      description: 'Why the last start failed',
    }),
    boots: z.string().openapi({ description: 'What it boots, in words', example: 'image linux-cloud-amd64' }),
    engine: z.string().nullable().openapi({ description: 'Engine in use; null while nothing is loaded' }),
    time: z.enum(['real', 'virtual']).nullable(),
    memoryBytes: count,
    cpus: count.openapi({ description: 'Processors of the guest' }),
    cpu: count.openapi({ description: 'Physical CPU' }),
    realtime: z.object({ priority: z.number(), periodUs: z.number(), budgetUs: z.number() }).nullable(),
    display: z.boolean().openapi({ description: 'Has a screen: `screenshot` and the screen WebSocket work' }),
    scripted: z.boolean(),
    autostart: z.boolean(),
    stored: z.boolean().openapi({ description: 'The definition outlives this server' }),
  })
  .openapi('Domain');
export type DomainView = z.infer<typeof domainSchema>;

export const createSchema = z
  .strictObject({
    definition: definitionSchema,
    autostart: z.boolean().default(false).openapi({ description: 'Start it whenever the server starts' }),
    start: z.boolean().default(false).openapi({ description: 'Start it now' }),
  })
  .openapi('NewDomain');

export const ACTIONS = ['start', 'pause', 'resume', 'reset', 'stop', 'powerButton'] as const;
export type Action = (typeof ACTIONS)[number];
export const actionSchema = z.enum(ACTIONS).openapi({
  description:
    '`start` loads and starts a defined or stopped domain; `stop` ends it at once; `powerButton` asks the guest to shut down',
});

const exitStatisticSchema = z
  .object({
    name: exitName,
    count,
    answered: count.openapi({
      description: "How many the engine answered on the monitor's behalf, without an exit (CPUID)",
    }),
    samples: count.openapi({ description: 'How many of them were timed (one in 64)' }),
    sampledNs: ns.openapi({ description: 'Host time of the timed ones together' }),
    histogram: z.array(count).openapi({ description: 'Timed exits; bucket b holds [2^b, 2^(b+1)) ns' }),
  })
  .openapi('ExitStatistic');
const machineStatsSchema = z
  .object({
    state: z.enum(['running', 'halted', 'stopped']),
    clockNs: ns.openapi({ description: 'Domain time since power-on' }),
    instructions: z.number(),
    exits: z.array(exitStatisticSchema),
    exitsTotal: count,
    interrupts: count,
    resets: count,
    steps: count,
    runs: count,
    hostNs: ns.openapi({ description: 'Host time spent in the domain' }),
    hostExitNs: ns.openapi({ description: 'The part of it that handled exits, from the timed ones' }),
    unclaimed: count.openapi({ description: 'Accesses that no device answered' }),
    consoleBytesOut: count,
    consoleBytesIn: count,
    rip: hexText,
    engine: z.record(z.string(), z.number()).openapi({ description: 'What the engine counts about itself, by name' }),
    engineTime: z
      .object({ interpreterNs: ns, translatedNs: ns, exitsNs: ns, translatorNs: ns })
      .nullable()
      .openapi({ description: 'Where the host time goes, estimated; null where the engine does not translate' }),
  })
  .openapi('MachineStats');
export const domainStatSchema = z
  .object({
    name: nameSchema,
    cpu: count,
    state: z.enum(['created', 'running', 'paused', 'stopped']),
    outcome: outcomeSchema.nullable(),
    engine: z.string(),
    time: z.enum(['real', 'virtual']),
    memoryBytes: count,
    machine: machineStatsSchema,
    scheduling: z.object({
      ranNs: ns,
      dispatches: count,
      misses: count.openapi({ description: 'Periods that ended before a ready domain had its budget' }),
      overruns: count.openapi({ description: 'Periods in which it wanted more than its budget' }),
      maxLatencyNs: ns,
    }),
    script: z.object({ done: count, of: count }).nullable(),
  })
  .openapi('DomainStat');
export const cpuStatSchema = z
  .object({
    cpu: count,
    timelineNs: ns.openapi({ description: 'Time of its domains' }),
    busyNs: ns.openapi({ description: 'Host time spent in domains' }),
    hostNs: ns.openapi({ description: 'Host time since the first domain started' }),
    domains: z.array(domainStatSchema),
  })
  .openapi('CpuStat');

export const hostSchema = z
  .object({
    version: z.string(),
    node: z.string(),
    engines: z.array(z.string()),
    cores: count,
    memoryBytes: count,
    rssBytes: count.openapi({ description: 'Memory of the server process with all domains' }),
    uptimeS: z.number(),
    authentication: z.boolean().openapi({ description: 'A token is required' }),
    imagesFolder: z.string().nullable(),
    maxDomains: count,
  })
  .openapi('Host');

export const imageSchema = z
  .object({
    name: z
      .string()
      .openapi({ description: "As in a definition: `image: NAME`, or `kernel: FILE` for a folder's file" }),
    from: z.enum(['catalogue', 'folder']),
    kind: z.string(),
    description: z.string(),
    cached: z.boolean().openapi({ description: 'Needs no download' }),
    sizeBytes: count.nullable(),
  })
  .openapi('Image');

export const consoleInputSchema = z
  .strictObject({ text: z.string().min(1).max(65_536) })
  .openapi('ConsoleInput', { description: 'UTF-8 to COM1; \\n is sent as \\r' });
const keySchema = z.strictObject({ code: z.enum(KEY_NAMES as [string, ...string[]]), down: z.boolean() });
export const keyboardSchema = z
  .union([
    z.strictObject({ text: z.string().min(1).max(1024) }).openapi({ description: 'Typed on a US keyboard' }),
    z
      .strictObject({ keys: z.array(keySchema).min(1).max(256) })
      .openapi({ description: 'Keys by `KeyboardEvent.code`' }),
  ])
  .openapi('KeyboardInput');
export const mouseSchema = z
  .strictObject({
    dx: z.number().int().min(-255).max(255).openapi({ description: 'Counts to the right' }),
    dy: z.number().int().min(-255).max(255).openapi({ description: 'Counts up' }),
    buttons: z.number().int().min(0).max(7).openapi({ description: 'Left 1, right 2, middle 4' }),
  })
  .openapi('MouseInput');

export const MAX_MEMORY_READ = 1 << 20;
export const memoryQuerySchema = z.object({
  gpa: z
    .string()
    .regex(/^(0x[0-9a-fA-F]{1,13}|[0-9]{1,15})$/)
    .openapi({ description: 'Guest-physical address', example: '0x100000' }),
  length: z.coerce.number().int().min(1).max(MAX_MEMORY_READ).openapi({ example: 256 }),
});
export const memoryWriteSchema = z
  .strictObject({
    gpa: hexText.max(15),
    base64: z.base64().max(Math.ceil(MAX_MEMORY_READ / 3) * 2),
  })
  .openapi('MemoryWrite');

export const latencySchema = z
  .object({
    measuredAt: z.iso.datetime(),
    periodUs: z.number(),
    runs: count,
    missedTicks: count,
    toIsrUs: z.object({ min: z.number(), avg: z.number(), max: z.number() }).nullable(),
    toTaskUs: z.object({ min: z.number(), avg: z.number(), max: z.number() }),
    p50Us: z.number(),
    p99Us: z.number(),
    p999Us: z.number(),
    buckets: z
      .array(z.object({ fromUs: z.number(), toUs: z.number(), count }))
      .openapi({ description: 'Timer-to-task latency; empty buckets are left out' }),
  })
  .openapi('Latency', { description: "What the real-time kernel's shell prints for `lat`" });

export const logLineSchema = z
  .object({ at: z.iso.datetime(), source: z.enum(['pcanel', 'device', 'firmware']), text: z.string() })
  .openapi('LogLine');

// ---- exit inspector and timeline ----

export const exitFilterSchema = z
  .strictObject({
    names: z.array(exitName).min(1).optional(),
    address: z
      .tuple([count, z.number().int().min(1)])
      .optional()
      .openapi({ description: 'First and number of ports, guest-physical addresses, MSRs or CPUID leaves' }),
    rip: z.tuple([hexText, hexText]).optional().openapi({ description: 'First and last guest RIP, inclusive' }),
  })
  .openapi('ExitFilter');
export const exitRecordSchema = z
  .object({
    sequence: count,
    timeNs: ns.openapi({ description: 'Domain time' }),
    vcpu: count,
    name: exitName,
    reason: count.nullable().openapi({ description: 'Basic exit reason, SDM Appendix C; null: none of the processor' }),
    rip: hexText,
    qualification: hexText,
    detail: z.string().openapi({ example: 'in 0x3fd, 1 byte = 0x60' }),
    costNs: ns.openapi({ description: 'Host time that handling took' }),
    changes: z
      .array(z.object({ field: z.string().openapi({ example: 'GUEST_RIP' }), before: z.string(), after: z.string() }))
      .openapi({ description: 'Guest-state fields that handling changed' }),
  })
  .openapi('ExitRecord');
export const exitBatchSchema = z
  .object({
    records: z.array(exitRecordSchema),
    next: count,
    lost: count.openapi({ description: 'Records overwritten before they were read' }),
    skipped: count.openapi({ description: 'Matching exits not recorded because there were too many per second' }),
    matched: count.openapi({ description: 'Matching exits since the subscription began' }),
  })
  .openapi('ExitBatch');
export const timelineBatchSchema = z
  .object({
    cpu: count,
    nowNs: ns,
    slices: z.array(z.object({ startNs: ns, endNs: ns, domain: z.string(), reserved: z.boolean() })),
    marks: z.array(z.object({ timeNs: ns, domain: z.string(), kind: z.enum(['miss', 'overrun']), count })),
    next: count,
    lost: count,
  })
  .openapi('TimelineBatch');
export const accessBatchSchema = z
  .object({
    records: z.array(
      z.object({
        sequence: count,
        timeNs: ns,
        kind: z.enum(['port', 'mmio', 'msr', 'cpuid']),
        vcpu: count,
        address: count,
        subleaf: count,
        sizeBytes: count,
        isWrite: z.boolean(),
        value: hexText,
        verdict: z.enum(['allow', 'deny', 'fake']),
      }),
    ),
    next: count,
    lost: count,
  })
  .openapi('AccessBatch');

export type HostView = z.infer<typeof hostSchema>;
export type ImageView = z.infer<typeof imageSchema>;
export type LatencyView = z.infer<typeof latencySchema>;
export type LogLine = z.infer<typeof logLineSchema>;
