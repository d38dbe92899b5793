// Event delivery.
/** Delivers the pending exception; 0 delivered, 1 VM exit. */
export function deliver_exception(): i32 {
  return 1;
}
