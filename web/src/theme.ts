// Dark and light: what the system prefers until the user says otherwise.

import { computed, signal } from '@preact/signals';

export type Choice = 'system' | 'light' | 'dark';
const KEY = 'pcanel-theme';
const CHOICES: readonly Choice[] = ['system', 'light', 'dark'];
const dark = matchMedia('(prefers-color-scheme: dark)');
const systemDark = signal(dark.matches);
dark.addEventListener('change', (e) => {
  systemDark.value = e.matches;
});

export const choice = signal<Choice>(CHOICES.find((c) => c === localStorage.getItem(KEY)) ?? 'system');
export const isDark = computed(() => (choice.value === 'system' ? systemDark.value : choice.value === 'dark'));

export function applyTheme(): void {
  document.documentElement.dataset.theme = choice.value;
}
/** System, light, dark, and round again. */
export function nextTheme(): void {
  choice.value = CHOICES[(CHOICES.indexOf(choice.value) + 1) % CHOICES.length] ?? 'system';
  localStorage.setItem(KEY, choice.value);
  applyTheme();
}

/** The value of a CSS variable such as --accent, as a colour that a canvas takes. */
export function colour(variable: string): string {
  const name = /^var\((.*)\)$/.exec(variable)?.[1] ?? variable;
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
