// placeholder replaced below
export const CONFORMANCE_PLACEHOLDER = 0;
