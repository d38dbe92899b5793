// A client of QEMU's gdbstub: registers by name, memory, single steps. GDB manual, "GDB Remote Serial Protocol".
import { type ChildProcess, spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';

interface Register {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export class GdbRemote {
  private waiting: ((answer: string) => void) | null = null;
  private received = '';
  private readonly registers = new Map<string, Register>();

  private constructor(
    private readonly process: ChildProcess,
    private readonly socket: Socket,
  ) {
    socket.setNoDelay(true);
    socket.on('data', (data) => this.take(data.toString('latin1')));
  }
  /** Starts QEMU stopped at reset, with a processor and RAM and nothing else. */
  static async start(options: { cpu: string; memoryBytes: number; port: number }): Promise<GdbRemote> {
    const { cpu, port } = options;
    const memory = `${Math.ceil(options.memoryBytes / 2 ** 20)}`;
    const args = ['-machine', 'none', '-cpu', `${cpu},apic-id=0`, '-m', memory, '-display', 'none', '-S'];
    const child = spawn('qemu-system-x86_64', [...args, '-gdb', `tcp:127.0.0.1:${port}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    let failed: Error | null = null;
    child.on('error', (error) => {
      failed = error;
    });
    for (let n = 0; ; n++) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      if (failed !== null || child.exitCode !== null || n > 100) throw failed ?? new Error('QEMU does not start');
      const socket = await new Promise<Socket | null>((resolve) => {
        const s = connect(port, '127.0.0.1', () => resolve(s));
        s.on('error', () => resolve(null));
      });
      if (socket === null) continue;
      const remote = new GdbRemote(child, socket);
      await remote.describeRegisters();
      return remote;
    }
  }
  close(): void {
    this.socket.destroy();
    this.process.kill('SIGKILL');
  }

  private take(text: string): void {
    this.received += text;
    for (;;) {
      const packet = /^[+-]*\$([^#]*)#../.exec(this.received);
      if (packet === null) return;
      this.received = this.received.slice(packet[0].length);
      this.socket.write('+');
      const { waiting } = this;
      this.waiting = null;
      waiting?.(packet[1] as string);
    }
  }
  async request(text: string): Promise<string> {
    let sum = 0;
    for (const b of Buffer.from(text, 'latin1')) sum = (sum + b) & 0xff;
    const answer = new Promise<string>((resolve) => {
      this.waiting = resolve;
    });
    this.socket.write(`$${text}#${sum.toString(16).padStart(2, '0')}`, 'latin1');
    return answer;
  }
  private async describeRegisters(): Promise<void> {
    const file = async (name: string): Promise<string> => {
      let text = '';
      for (;;) {
        const part = await this.request(`qXfer:features:read:${name}:${text.length.toString(16)},7f0`);
        text += part.slice(1);
        if (!part.startsWith('m')) return text;
      }
    };
    const target = await file('target.xml');
    let offset = 0;
    for (const [, name = ''] of target.matchAll(/href="([^"]+)"/g)) {
      for (const [element] of (await file(name)).replaceAll(/<!--[\s\S]*?-->/g, '').matchAll(/<reg [^>]*>/g)) {
        const bytes = Number(/bitsize="(\d+)"/.exec(element)?.[1]) / 8;
        const register = /name="([^"]+)"/.exec(element)?.[1] as string;
        this.registers.set(register, { name: register, offset, bytes });
        offset += bytes;
      }
    }
  }
  /** All registers by name, as unsigned numbers. */
  async readRegisters(): Promise<Map<string, bigint>> {
    const data = Buffer.from((await this.request('g')).replaceAll('x', '0'), 'hex');
    const values = new Map<string, bigint>();
    for (const { name, offset, bytes } of this.registers.values()) {
      let value = 0n;
      for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(data[offset + i] ?? 0);
      values.set(name, value);
    }
    return values;
  }
  /** One by one: QEMU's G packet has other register sizes than its g packet. */
  async writeRegisters(changes: ReadonlyMap<string, bigint>): Promise<void> {
    const numbers = [...this.registers.keys()];
    for (const [name, value] of changes) {
      const bytes = new Uint8Array(this.registers.get(name)?.bytes ?? 0);
      for (let i = 0; i < bytes.length; i++) bytes[i] = Number((value >> BigInt(8 * i)) & 0xffn);
      await this.expectOk(`P${numbers.indexOf(name).toString(16)}=${hexOf(bytes)}`);
    }
  }
  async writeMemory(gpa: number, data: Uint8Array): Promise<void> {
    const most = 0x700;
    for (let at = 0; at < data.length; at += most) {
      const part = data.subarray(at, at + most);
      await this.expectOk(`M${(gpa + at).toString(16)},${part.length.toString(16)}:${hexOf(part)}`);
    }
  }
  private async expectOk(text: string): Promise<void> {
    const answer = await this.request(text);
    if (answer !== 'OK') throw new Error(`QEMU answered '${answer}' to ${text.slice(0, 40)}`);
  }
  async step(): Promise<void> {
    await this.request('s');
  }
  /** Runs to the instruction at a linear address. */
  async runTo(address: bigint): Promise<void> {
    const where = `1,${address.toString(16)},1`;
    await this.expectOk(`Z${where}`);
    await this.request('c');
    await this.expectOk(`z${where}`);
  }
}
