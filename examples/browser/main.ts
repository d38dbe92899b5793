// Debian Linux and the real-time kernel side by side in one page. No server takes part: every file is fetched as it is.
//   ?mode=threads|single how guests run (default: threads where the page may share memory)

import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { type BrowserMode, type Domain, type DomainConfig, fetchBytes, openPcanel } from 'pcanel/browser';
import './style.css';

const MIB = 1 << 20;
const modeLine = document.getElementById('mode') as HTMLElement;
const guests = document.getElementById('guests') as HTMLElement;

const TEXT: Record<BrowserMode, string> = {
  threads: 'Threads: every guest has a Web Worker and shared memory',
  single: 'Single-threaded: both guests take turns in one Web Worker, without shared memory',
};

interface Panel {
  readonly terminal: Terminal;
  readonly state: HTMLElement;
  readonly figures: HTMLElement;
  readonly buttons: HTMLElement;
}

/** A titled console. */
function panel(name: string, title: string): Panel {
  const section = document.createElement('section');
  section.setAttribute('aria-label', title);
  section.id = name;
  const make = (tag: string, className: string, parent: HTMLElement): HTMLElement => {
    const e = document.createElement(tag);
    e.className = className;
    parent.append(e);
    return e;
  };
  const head = make('div', '', section);
  make('h2', '', head).textContent = title;
  const state = make('span', 'state', head);
  const buttons = make('div', 'buttons', head);
  const figures = make('span', 'figures', head);
  const screen = make('div', 'screen', section);
  guests.append(section);
  const terminal = new Terminal({
    fontSize: 13,
    fontFamily: 'ui-monospace, "DejaVu Sans Mono", monospace',
    scrollback: 5000,
    theme: { background: '#0b0f11', foreground: '#d5dee0', cursor: '#4fd1c5' },
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(screen);
  terminal.textarea?.setAttribute('aria-label', `${title} console`);
  new ResizeObserver(() => fit.fit()).observe(screen);
  return { terminal, state, figures, buttons };
}

function attach(domain: Domain, p: Panel): void {
  const keys = new TextEncoder();
  domain.onOutput((bytes) => {
    // A page that cannot keep up lets the guest wait.
    domain.holdOutput(true);
    p.terminal.write(bytes, () => domain.holdOutput(false));
  });
  p.terminal.onData((text) => void domain.write(keys.encode(text)));
  const show = (): void => {
    p.state.textContent = domain.outcome === null ? domain.state : `${domain.state} (${domain.outcome.kind})`;
  };
  domain.onState(show);
  show();
  const button = (label: string, act: () => Promise<void>): void => {
    const b = document.createElement('button');
    b.textContent = label;
    b.addEventListener('click', () => void act().catch(failed));
    p.buttons.append(b);
  };
  button('Pause', () => (domain.state === 'paused' ? domain.resume() : domain.pause()));
  button('Reset', async () => {
    p.terminal.reset();
    await domain.reset();
  });
}

function failed(error: unknown): void {
  modeLine.className = 'failed';
  modeLine.textContent = `Stopped: ${error instanceof Error ? error.message : String(error)}`;
}

async function main(): Promise<void> {
  const wanted = new URLSearchParams(location.search).get('mode') ?? 'auto';
  const host = openPcanel({ mode: wanted as BrowserMode | 'auto' });
  modeLine.className = host.mode === 'threads' ? 'threads' : 'single';
  modeLine.textContent = `${TEXT[host.mode]} (${host.reason}).`;
  const linux = panel('linux', 'Debian Linux');
  const rtos = panel('rtos', 'Real-time kernel');
  const file = (path: string): Promise<Uint8Array> => fetchBytes(new URL(`guests/${path}`, document.baseURI));
  const [kernel, initrd, elf] = await Promise.all([file('linux'), file('initramfs.cpio'), file('rtos.elf')]);
  const configs: DomainConfig[] = [
    {
      name: 'linux',
      memoryBytes: 128 * MIB,
      time: 'virtual',
      cpu: 0,
      boot: {
        kind: 'linux',
        kernel: { name: 'linux', data: kernel },
        initrd: { name: 'initramfs.cpio', data: initrd },
        cmdline: 'console=ttyS0 cryptomgr.notests quiet',
      },
    },
    {
      name: 'rtos',
      memoryBytes: 16 * MIB,
      time: 'virtual',
      cpu: 1,
      boot: { kind: 'multiboot', kernel: { name: 'rtos.elf', data: elf } },
    },
  ];
  for (const [i, config] of configs.entries()) {
    attach(await host.pcanel.createDomain(config), i === 0 ? linux : rtos);
  }
  await host.pcanel.start();
  linux.terminal.focus();
  const before = new Map<string, number>();
  setInterval(async () => {
    for (const d of (await host.pcanel.stat()).flatMap((cpu) => cpu.domains)) {
      const { instructions, exitsTotal } = d.machine;
      const rate = instructions - (before.get(d.name) ?? 0);
      before.set(d.name, instructions);
      const figures = d.name === 'linux' ? linux.figures : rtos.figures;
      figures.textContent = `${(rate / 1e6).toFixed(1)} MIPS  ${exitsTotal.toLocaleString('en')} VM exits`;
    }
  }, 1000);
}

void main().catch(failed);
