/* The smallest program of interest: what printf does with integers, a string and a double. */
#include <limits.h>
#include <stdio.h>

int main(void) {
  printf("hello, world\n");
  printf("int %d %i %u %5d|%-5d|%05d|%+d\n", 42, -42, 3000000000u, 7, 7, 7, 7);
  printf("hex %x %X %#x %08lx oct %o\n", 48879, 48879, 255, 0xfeedfacel, 511);
  printf("narrow %hhd %hd long %ld %lld %lu\n", (signed char)-1, (short)-32768, LONG_MIN, LLONG_MAX,
         ULONG_MAX);
  printf("string %s|%8s|%-8s|%.3s char %c\n", "abc", "right", "left", "truncated", 'x');
  printf("double %f %g %e %.3f %10.2f|%G\n", 3.25, 0.1, 12345.678, 2.0 / 3.0, -1.5, 1e100);
  return 0;
}
