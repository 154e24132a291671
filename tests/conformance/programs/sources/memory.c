/* The address space as a program changes it: brk, mmap, mprotect, malloc. */
#define _GNU_SOURCE
#include "tour.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* The raw system call: both libraries keep the break to themselves or do not offer it. */
static char *set_break(char *address) { return (char *)syscall(SYS_brk, address); }

int stop_break(int argc, char **argv) {
  (void)argc, (void)argv;
  char *start = set_break(0);
  char *end = start + 5 * PAGE;
  check("brk grows", set_break(end) == end);
  int zero = 1;
  for (char *p = start; p < end; p++) zero &= *p == 0;
  check("new break memory is zero", zero);
  memset(start, 0xa5, 5 * PAGE);
  check("brk shrinks", set_break(start + PAGE) == start + PAGE);
  check("brk grows again", set_break(end) == end);
  check("given back memory reads zero", start[4 * PAGE] == 0 && (start[0] & 0xff) == 0xa5);
  check("a break below the start is refused", set_break((char *)PAGE) == end);
  return failures();
}

static char *map(void *address, size_t bytes, int protection, int flags) {
  return mmap(address, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

int stop_map(int argc, char **argv) {
  (void)argc, (void)argv;
  char *area = map(0, 64 * PAGE, PROT_READ | PROT_WRITE, 0);
  check("mmap succeeds", area != MAP_FAILED);
  int zero = 1;
  for (int i = 0; i < 64 * PAGE; i += 64) zero &= area[i] == 0;
  check("anonymous memory is zero", zero);
  for (int i = 0; i < 64; i++) area[i * PAGE + i] = (char)(i + 1);
  check("a hole can be cut", munmap(area + 16 * PAGE, 16 * PAGE) == 0);
  char *fixed = map(area + 16 * PAGE, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_FIXED);
  check("MAP_FIXED fills it", fixed == area + 16 * PAGE && fixed[0] == 0);
  check("neighbours are untouched", area[15 * PAGE + 15] == 16 && area[32 * PAGE + 32] == 33);
  char *replaced = map(area, PAGE, PROT_READ, MAP_FIXED);
  check("MAP_FIXED replaces", replaced == area && area[0] == 0);
  char *hint = map(area + 24 * PAGE, PAGE, PROT_READ, MAP_FIXED_NOREPLACE);
  check("MAP_FIXED_NOREPLACE takes a free place", hint == area + 24 * PAGE);
  errno = 0;
  check("MAP_FIXED_NOREPLACE refuses a taken place",
        map(area, PAGE, PROT_READ, MAP_FIXED_NOREPLACE) == MAP_FAILED && errno == EEXIST);
  errno = 0;
  check("length 0 is EINVAL", map(0, 0, PROT_READ, 0) == MAP_FAILED && errno == EINVAL);
  errno = 0;
  check("an unaligned MAP_FIXED is EINVAL",
        map(area + 1, PAGE, PROT_READ, MAP_FIXED) == MAP_FAILED && errno == EINVAL);
  errno = 0;
  check("an unaligned munmap is EINVAL", munmap(area + 1, PAGE) == -1 && errno == EINVAL);
  errno = 0;
  check("too much is ENOMEM", map(0, 1ul << 47, PROT_READ, 0) == MAP_FAILED && errno == ENOMEM);
  check("munmap of everything", munmap(area, 64 * PAGE) == 0);
  check("munmap of nothing", munmap(area, 64 * PAGE) == 0);
  return failures();
}

int stop_protect(int argc, char **argv) {
  (void)argc, (void)argv;
  unsigned char *area = (unsigned char *)map(0, 3 * PAGE, PROT_READ | PROT_WRITE, 0);
  /* mov eax, imm32; ret */
  static const unsigned char code[] = {0xb8, 0x2a, 0x00, 0x00, 0x00, 0xc3};
  memcpy(area + PAGE, code, sizeof code);
  check("mprotect to executable", mprotect(area + PAGE, PAGE, PROT_READ | PROT_EXEC) == 0);
  int (*function)(void) = (int (*)(void))(uintptr_t)(area + PAGE);
  check("generated code runs", function() == 42);
  check("mprotect to writable", mprotect(area + PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
  area[PAGE + 1] = 43;
  check("and back", mprotect(area + PAGE, PAGE, PROT_READ | PROT_EXEC) == 0);
  check("rewritten code runs", function() == 43);
  check("mprotect over three pages", mprotect(area, 3 * PAGE, PROT_READ) == 0);
  check("data survives", area[PAGE + 1] == 43);
  munmap(area + PAGE, PAGE);
  errno = 0;
  check("a hole is ENOMEM", mprotect(area, 3 * PAGE, PROT_READ) == -1 && errno == ENOMEM);
  errno = 0;
  /* musl's mprotect would align the start. */
  check("an unaligned start is EINVAL",
        syscall(SYS_mprotect, area + 1, PAGE, PROT_READ) == -1 && errno == EINVAL);
  return failures();
}

enum { SLOTS = 128, STEPS = 1500 };

/* Random allocation, reallocation and release, each block filled with its slot's pattern. */
int stop_malloc(int argc, char **argv) {
  (void)argc, (void)argv;
  static struct {
    unsigned char *bytes;
    size_t size;
  } slots[SLOTS];
  uint64_t state = 88172645463325252u, allocated = 0;
  int intact = 1;
  for (int step = 0; step < STEPS; step++) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    unsigned slot = (unsigned)(state >> 20) % SLOTS;
    size_t size = (state >> 40) % ((state & 63) == 0 ? 200000 : 300) + 1;
    for (size_t i = 0; i < slots[slot].size; i += 97) {
      intact &= slots[slot].bytes[i] == (unsigned char)(slot * 7 + i);
    }
    if ((state & 3) == 0) {
      free(slots[slot].bytes);
      slots[slot].bytes = 0, slots[slot].size = 0;
      continue;
    }
    slots[slot].bytes = realloc(slots[slot].bytes, size);
    slots[slot].size = size;
    allocated += size;
    for (size_t i = 0; i < size; i += 97) slots[slot].bytes[i] = (unsigned char)(slot * 7 + i);
  }
  check("blocks keep their contents", intact);
  unsigned char *zeroed = calloc(100, 300);
  int zero = 1;
  for (int i = 0; i < 30000; i++) zero &= zeroed[i] == 0;
  check("calloc clears", zero);
  void *aligned = 0;
  check("posix_memalign aligns",
        posix_memalign(&aligned, 4096, 10000) == 0 && ((uintptr_t)aligned & 4095) == 0);
  printf("allocated %lu\n", (unsigned long)allocated);
  return failures();
}
