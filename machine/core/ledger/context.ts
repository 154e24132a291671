/** The execution contexts that time is booked to. */
export const CONTEXTS = ['user', 'kernel', 'hardirq', 'softirq', 'idle'] as const;

/** Index into CONTEXTS. */
export const enum Context {
  USER,
  KERNEL,
  HARDIRQ,
  SOFTIRQ,
  IDLE,
}
