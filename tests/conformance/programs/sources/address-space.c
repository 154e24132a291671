/* Calls that change an address space, and what faults say about it. Prints nothing that depends on
   addresses, time or chance. One case by number, or all. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define PAGE 4096L
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static sigjmp_buf back;
static volatile int fault_signal, fault_code;
static char *volatile fault_address;

static void on_fault(int signal, siginfo_t *info, void *context) {
  (void)context;
  fault_signal = signal;
  fault_code = info->si_code;
  fault_address = info->si_addr;
  siglongjmp(back, 1);
}

static void try_access(const char *what, char *at, int write) {
  if (sigsetjmp(back, 1) == 0) {
    if (write) *(volatile char *)at = 1;
    else (void)*(volatile char *)at;
    printf("%s: ok\n", what);
    return;
  }
  printf("%s: signal %d code %d at the address %d\n", what, fault_signal, fault_code, fault_address == at);
}

static void result(const char *what, long value) {
  if (value < 0) printf("%s: %s\n", what, strerror(errno));
  else printf("%s: %ld\n", what, value);
}

static char *get(long pages) {
  char *at = mmap(0, pages * PAGE, RW, ANON, -1, 0);
  if (at == MAP_FAILED) exit(9);
  return at;
}

static void protections(void) {
  char *at = get(4);
  at[PAGE] = 7;
  result("mprotect read", mprotect(at + PAGE, PAGE, PROT_READ));
  try_access("write to read-only", at + PAGE, 1);
  try_access("read from read-only", at + PAGE, 0);
  result("mprotect none", mprotect(at + 2 * PAGE, PAGE, PROT_NONE));
  try_access("read from none", at + 2 * PAGE, 0);
  result("munmap", munmap(at + 3 * PAGE, PAGE));
  try_access("read from a hole", at + 3 * PAGE, 0);
  result("mprotect over a hole", mprotect(at, 4 * PAGE, RW));
  printf("kept %d, writable again %d\n", at[PAGE], (at[PAGE] = 9));
  result("unaligned", mprotect(at + 1, PAGE, RW));
  try_access("non-canonical", (char *)0x800000000000L - 1, 0);
}

static void moves(void) {
  char *at = get(4), *to;
  memset(at, 'a', 4 * PAGE);
  munmap(at + 2 * PAGE, 2 * PAGE);
  mmap(at + 2 * PAGE, PAGE, PROT_NONE, ANON | MAP_FIXED, -1, 0);
  result("grow in place", mremap(at, 2 * PAGE, 3 * PAGE, 0) == MAP_FAILED ? -1 : 0);
  to = mremap(at, 2 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
  printf("moved %d, contents %c%c%d\n", to != at, to[0], to[2 * PAGE - 1], to[2 * PAGE]);
  try_access("old place", at, 0);
  result("shrink", mremap(to, 6 * PAGE, PAGE, 0) == to ? 0 : -1);
  try_access("cut off", to + PAGE, 0);
  at = get(8);
  result("fixed", mremap(to, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + 4 * PAGE) == at + 4 * PAGE ? 0 : -1);
  printf("replaced %c\n", at[4 * PAGE]);
  result("fixed without maymove", mremap(at, PAGE, PAGE, MREMAP_FIXED, at + PAGE) == MAP_FAILED ? -1 : 0);
  result("length zero", mremap(at, PAGE, 0, 0) == MAP_FAILED ? -1 : 0);
  result("private from nothing", mremap(at, 0, PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
  at = mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  to = mremap(at, 0, PAGE, MREMAP_MAYMOVE);
  at[5] = 's';
  printf("second view %c\n", to[5]);
}

static void advice(void) {
  char *at = get(4);
  unsigned char in[4];
  memset(at, 'x', 3 * PAGE);
  result("mincore", mincore(at, 4 * PAGE, in));
  printf("resident %d%d%d%d\n", in[0] & 1, in[1] & 1, in[2] & 1, in[3] & 1);
  result("dontneed", madvise(at, PAGE, MADV_DONTNEED));
  printf("first %d second %d\n", at[0], at[PAGE]);
  result("free", madvise(at + PAGE, PAGE, MADV_FREE));
  result("willneed", madvise(at, PAGE, MADV_WILLNEED));
  result("dontfork", madvise(at, PAGE, MADV_DONTFORK));
  result("wipeonfork", madvise(at, PAGE, MADV_WIPEONFORK));
  result("no such advice", madvise(at, PAGE, 1234));
  result("unaligned", madvise(at + 1, PAGE, MADV_DONTNEED));
  munmap(at + PAGE, PAGE);
  result("over a hole", madvise(at, 4 * PAGE, MADV_DONTNEED));
  result("mincore over a hole", mincore(at, 4 * PAGE, in));
  result("length zero", madvise(at, 0, MADV_DONTNEED));
}

static void locks(void) {
  char *at = get(4);
  unsigned char in[4];
  result("mlock", mlock(at + PAGE, PAGE));
  mincore(at, 4 * PAGE, in);
  printf("resident %d%d%d\n", in[0] & 1, in[1] & 1, in[2] & 1);
  result("dontneed of locked", madvise(at + PAGE, PAGE, MADV_DONTNEED));
  result("munlock", munlock(at, 4 * PAGE));
  result("dontneed of unlocked", madvise(at + PAGE, PAGE, MADV_DONTNEED));
  munmap(at + 2 * PAGE, PAGE);
  result("mlock over a hole", mlock(at, 4 * PAGE));
  result("msync", msync(at, PAGE, MS_SYNC));
  result("msync both", msync(at, PAGE, MS_SYNC | MS_ASYNC));
  result("msync hole", msync(at, 4 * PAGE, MS_ASYNC));
  result("mlockall nothing", mlockall(0));
  result("munlockall", munlockall());
}

static void files(void) {
  char path[] = "/tmp/address-space-XXXXXX", *at, *private;
  int fd = mkstemp(path);
  unlink(path);
  result("ftruncate", ftruncate(fd, PAGE + 100));
  at = mmap(0, 3 * PAGE, RW, MAP_SHARED, fd, 0);
  private = mmap(0, PAGE, RW, MAP_PRIVATE, fd, 0);
  memcpy(at, "through", 8);
  printf("private sees %s\n", private);
  private[0] = 'T';
  printf("shared keeps %s\n", at);
  char buffer[8] = "";
  result("pread", pread(fd, buffer, 8, 0));
  printf("file has %s\n", buffer);
  result("pwrite", pwrite(fd, "written", 8, 50));
  printf("mapping has %s\n", at + 50);
  try_access("last page", at + PAGE + 200, 0);
  try_access("beyond the end", at + 2 * PAGE, 0);
  result("cut", ftruncate(fd, 10));
  try_access("cut off", at + PAGE, 1);
  printf("private keeps %c\n", private[0]);
  close(fd);
  printf("after close %c\n", at[1]);
  fd = open("/proc/self/exe", O_RDONLY);
  result("writable view of a read-only file", mmap(0, PAGE, RW, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
  result("private view of it", mmap(0, PAGE, RW, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
}

static void limits(void) {
  struct rlimit limit;
  result("100 TB", mmap(0, 100L << 40, RW, ANON, -1, 0) == MAP_FAILED ? -1 : 0);
  result("100 TB of nothing", mmap(0, 100L << 40, PROT_NONE, ANON | MAP_NORESERVE, -1, 0) == MAP_FAILED ? -1 : 0);
  result("length zero", mmap(0, 0, RW, ANON, -1, 0) == MAP_FAILED ? -1 : 0);
  result("no type", mmap(0, PAGE, RW, MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
  result("offset", mmap(0, PAGE, RW, ANON, -1, 1) == MAP_FAILED ? -1 : 0);
  result("beyond the end", mmap((void *)0x7ffffffff000L, PAGE, RW, ANON | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0);
  result("bad descriptor", mmap(0, PAGE, RW, MAP_PRIVATE, 77, 0) == MAP_FAILED ? -1 : 0);
  char *at = get(1);
  result("noreplace", mmap(at, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED ? -1 : 0);
  result("huge pages", mmap(0, 2L << 20, RW, ANON | MAP_HUGETLB, -1, 0) == MAP_FAILED ? -1 : 0);
  getrlimit(RLIMIT_STACK, &limit);
  printf("stack limit %lu MiB\n", (unsigned long)limit.rlim_cur >> 20);
  limit.rlim_cur = limit.rlim_max = 256L << 20;
  result("setrlimit", setrlimit(RLIMIT_DATA, &limit));
  result("too much data", mmap(0, 512L << 20, RW, ANON, -1, 0) == MAP_FAILED ? -1 : 0);
  result("munmap unaligned", munmap(at + 1, PAGE));
  result("munmap nothing", munmap(at, 0));
}

static int deep(int depth) {
  volatile char frame[1024];
  frame[0] = (char)depth;
  return depth == 0 ? frame[0] : deep(depth - 1) + (frame[0] & 0);
}

static void stack(void) {
  printf("4 MiB deep: %d\n", deep(4000));
  try_access("far below the stack", (char *)__builtin_frame_address(0) - (64L << 20), 1);
}

static const struct {
  const char *name;
  void (*run)(void);
} CASES[] = {{"protections", protections}, {"moves", moves}, {"advice", advice}, {"locks", locks},
             {"files", files},             {"limits", limits}, {"stack", stack}};

int main(int argc, char **argv) {
  static char alternate[65536];
  stack_t place = {.ss_sp = alternate, .ss_size = sizeof alternate};
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaltstack(&place, 0);
  sigaction(SIGSEGV, &action, 0);
  sigaction(SIGBUS, &action, 0);
  setvbuf(stdout, 0, _IOFBF, 65536);
  for (unsigned i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    if (argc > 1 && strcmp(argv[1], CASES[i].name)) continue;
    CASES[i].run();
  }
  return 0;
}
