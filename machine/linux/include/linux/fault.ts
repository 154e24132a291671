/** How a fault on a mapping ended, after vm_fault_t of Linux 6.1 include/linux/mm_types.h. */
export const enum Fault {
  DONE,
  OUT_OF_MEMORY,
  BUS_ERROR,
}
