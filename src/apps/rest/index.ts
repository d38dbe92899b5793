// `pcanel serve` and the dashboard's server: domains over HTTP and WebSockets.
export { type AppOptions, createApp, Doorkeeper } from './app.js';
export { type Daemon, type DaemonOptions, packageVersion, startDaemon, webFolder } from './daemon.js';
export { type Definition, definitionSchema } from './definition.js';
export { checkFiles, confineFiles } from './files.js';
export { bootsWhat, type DomainStore, Fleet, FleetDomain, type FleetOptions, type StoredDomain } from './fleet.js';
export { Guard, isLoopback } from './guard.js';
export { LatencyReader } from './latency.js';
export * from './messages.js';
export { API, type RouteName, routes } from './routes.js';
export * from './schemas.js';
export { type RunningServer, startServer } from './server.js';
export { openStore } from './store.js';
