/* Stops of the tour: each takes the arguments after its name and returns the exit status. */
#ifndef TOUR_H
#define TOUR_H

typedef int stop_function(int argc, char **argv);

/* start.c */
stop_function stop_args, stop_auxv, stop_stack, stop_random;
/* clock.c */
stop_function stop_clock, stop_clock_syscall;
/* memory.c */
stop_function stop_break, stop_map, stop_protect, stop_malloc;
/* compute.c */
stop_function stop_sort, stop_strings, stop_doubles, stop_long_double, stop_wide, stop_hash;
/* output.c */
stop_function stop_streams, stop_errors, stop_exit, stop_exit_now, stop_large_output;
/* fault.c */
stop_function stop_null_read, stop_null_write, stop_null_call, stop_write_text, stop_jump_data,
    stop_jump_stack, stop_non_canonical, stop_kernel_address, stop_read_protected,
    stop_misaligned_sse, stop_undefined, stop_breakpoint, stop_divide_zero, stop_divide_overflow,
    stop_privileged, stop_stack_overflow;

/* Prints "ok NAME" or "FAILED NAME" and remembers failures for the exit status. */
void check(const char *name, int holds);
int failures(void);

#endif
