// Named guest images, guest files and the default initial RAM disk.
export { cacheFolder } from './cache-folder.js';
export { catalogEntry } from './catalog.js';
export { type GuestFile, type GuestFileRole, readGuestFile, readGuestFileOrImage } from './files.js';
export { cachedImage, type EnsureOptions, ensureImage, type Image, type ImageInfo, listImages } from './images.js';
export { buildInitramfs, busyboxInitramfs, type InitramfsOptions, UP_BANNER } from './initramfs.js';
export { ensureProgram, type Program } from './program.js';
