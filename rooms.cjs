// The rooms of src/ and what each may import. dependency-cruiser's rules and ARCHITECTURE.md's table are made from it.
module.exports = {
  base: [],
  arch: ['base'],
  memory: ['base'],
  host: ['base'],
  vmx: ['memory', 'arch', 'base'],
  isa: ['arch', 'base'],
  processor: ['isa', 'vmx', 'memory', 'arch', 'base'],
  kvm: ['vmx', 'memory', 'arch', 'base'],
  devices: ['host', 'memory', 'base'],
  vmm: ['devices', 'vmx', 'memory', 'arch', 'base'],
  machine: ['vmm', 'devices', 'host', 'vmx', 'memory', 'arch', 'base'],
  domains: ['machine', 'host', 'vmx', 'base'],
  apps: ['domains', 'machine', 'processor', 'kvm', 'vmx', 'host', 'base'],
};
