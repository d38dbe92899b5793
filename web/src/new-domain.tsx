// The form for a new domain.

import { useEffect, useRef, useState } from 'preact/hooks';
import { api, type ImageView } from './api.js';
import { go, report, tell } from './store.js';

/** 'linux', or 'linux-2' when that is taken. */
function freeName(stem: string, taken: readonly string[]): string {
  let name = stem;
  for (let n = 2; taken.includes(name); n++) name = `${stem}-${n}`;
  return name;
}

export function NewDomain({ onClose, taken }: { readonly onClose: () => void; readonly taken: readonly string[] }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [images, setImages] = useState<readonly ImageView[]>([]);
  const [source, setSource] = useState('');
  const [name, setName] = useState(freeName('linux', taken));
  const [memory, setMemory] = useState('256M');
  const [cpus, setCpus] = useState('1');
  const [cpu, setCpu] = useState('0');
  const [cmdline, setCmdline] = useState('');
  const [initrd, setInitrd] = useState(true);
  const [autostart, setAutostart] = useState(false);
  const [error, setError] = useState('');
  useEffect(() => {
    dialog.current?.showModal();
    api.images().then((all) => {
      const bootable = all.filter((i) => i.kind === 'linux' || i.kind === 'multiboot' || i.from === 'folder');
      setImages(bootable);
      setSource((s) => s || (bootable.find((i) => i.name === 'linux-cloud-amd64') ?? bootable[0])?.name || '');
    }, report);
  }, []);
  const image = images.find((i) => i.name === source);
  const linux = image?.kind === 'linux';
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const definition = {
      name,
      memory,
      cpus: Number(cpus),
      cpu: Number(cpu),
      ...(image?.from === 'folder' ? { kernel: source } : { image: source }),
      ...(linux && initrd && { initrd: 'busybox' }),
      ...(cmdline !== '' && { cmdline }),
    };
    try {
      await api.create(definition, true, autostart);
      tell(`Domain '${name}' is starting.`, false);
      go({ name, tab: 'console' });
      onClose();
    } catch (e) {
      setError(e instanceof Error ? e.message : String(e));
    }
  };
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="new-title">
      <form onSubmit={submit}>
        <h2 id="new-title">New domain</h2>
        <label>
          Boots
          <select value={source} onChange={(e) => setSource(e.currentTarget.value)}>
            {images.map((i) => (
              <option key={i.name} value={i.name}>
                {i.name}
                {i.cached ? '' : ' (is fetched first)'}
              </option>
            ))}
          </select>
        </label>
        {image !== undefined && <p class="note">{image.description}</p>}
        <label>
          Name
          <input
            value={name}
            required
            pattern="[A-Za-z0-9][A-Za-z0-9_.\-]{0,31}"
            onInput={(e) => setName(e.currentTarget.value)}
          />
        </label>
        <div class="fields">
          <label>
            Memory
            <input value={memory} size={6} required onInput={(e) => setMemory(e.currentTarget.value)} />
          </label>
          <label>
            Processors
            <input type="number" min={1} max={16} value={cpus} onInput={(e) => setCpus(e.currentTarget.value)} />
          </label>
          <label>
            Physical CPU
            <input type="number" min={0} max={63} value={cpu} onInput={(e) => setCpu(e.currentTarget.value)} />
          </label>
        </div>
        <label>
          Command line
          <input
            value={cmdline}
            placeholder={linux ? 'console=ttyS0 cryptomgr.notests' : ''}
            onInput={(e) => setCmdline(e.currentTarget.value)}
          />
        </label>
        {linux && (
          <label class="check">
            <input type="checkbox" checked={initrd} onChange={(e) => setInitrd(e.currentTarget.checked)} />
            BusyBox as initial RAM disk
          </label>
        )}
        <label class="check">
          <input type="checkbox" checked={autostart} onChange={(e) => setAutostart(e.currentTarget.checked)} />
          Start it whenever the server starts
        </label>
        {error !== '' && (
          <p class="bad" role="alert">
            {error}
          </p>
        )}
        <footer>
          <button type="button" class="quiet" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit">Create and start</button>
        </footer>
      </form>
    </dialog>
  );
}
