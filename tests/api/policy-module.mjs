// A policy as code, loaded on the guest's thread: the fakes of the test `a module decides`.
let seen = 0;
export const policy = ({ port }) => ({
  rules: [
    // Every second write to the port is dropped.
    { kind: 'port', range: [port, 1], access: 'write', verdict: () => (seen++ % 2 === 0 ? 'deny' : 'allow') },
  ],
});
export const notAFunction = 1;
