/*
 * Counts the instructions that a program retires on this processor under this kernel, one single
 * step at a time: the oracle for what QEMU cannot show (Linux's own stack, auxv and vDSO).
 *
 *   step CPU VDSO UNTIL OUT FILE ARGV0 [ARG...]
 *
 * CPU    `qemu64` or `guest`: whose values CPUID gives and AT_HWCAP has. The instruction itself is
 *        not executed, so that a C library takes the paths of that processor.
 * VDSO   `vdso` or `none`: without AT_SYSINFO_EHDR.
 * UNTIL  Where to stop, in bytes after the entry point (hexadecimal), or `end`.
 *
 * Writes the same lines as count-plugin.c. Address randomisation is off; the environment is passed
 * on. tzcnt does what processors without BMI do with its encoding, which is bsf: a zero source
 * leaves the destination as it was.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES_MAX = 15, BUCKETS = 1 << 20 };

/* Leaf, then eax, ebx, ecx, edx. Leaves that are not here are all zero. */
struct leaf {
  uint32_t number, eax, ebx, ecx, edx;
};

/* QEMU 7.2's -cpu qemu64. */
static const struct leaf qemu64[] = {
    {0x00000000, 0x0000000d, 0x68747541, 0x444d4163, 0x69746e65},
    {0x00000001, 0x00060fb1, 0x00000800, 0x80002001, 0x078bfbfd},
    {0x00000005, 0x00000000, 0x00000000, 0x00000003, 0x00000000},
    {0x80000000, 0x8000000a, 0x68747541, 0x444d4163, 0x69746e65},
    {0x80000001, 0x00060fb1, 0x00000000, 0x00000005, 0x2193fbfd},
    {0x80000002, 0x554d4551, 0x72695620, 0x6c617574, 0x55504320},
    {0x80000003, 0x72657620, 0x6e6f6973, 0x352e3220, 0x0000002b},
    {0x80000005, 0x01ff01ff, 0x01ff01ff, 0x40020140, 0x40020140},
    {0x80000006, 0x00000000, 0x42004200, 0x02008140, 0x00808140},
    {0x80000008, 0x00003028, 0x00000000, 0x00000000, 0x00000000},
    {0x8000000a, 0x00000001, 0x00000010, 0x00000000, 0x00000000},
    {0},
};

/* The guest processor: machine/hardware/assembly/cpuid.ts. */
static const struct leaf guest[] = {
    {0x00000000, 0x0000000d, 0x68747541, 0x444d4163, 0x69746e65},
    {0x00000001, 0x00060fb1, 0x00010800, 0x80002001, 0x078bfbfd},
    {0x80000000, 0x80000008, 0x68747541, 0x444d4163, 0x69746e65},
    {0x80000001, 0x00060fb1, 0x00000000, 0x00000001, 0x28100800},
    {0x80000005, 0x00000000, 0x00000000, 0x20080140, 0x20080140},
    {0x80000006, 0x00000000, 0x00000000, 0x04006140, 0x00808140},
    {0x80000008, 0x00003028, 0x00000000, 0x00000000, 0x00000000},
    {0},
};

struct row {
  uint64_t address, passes, entries;
  uint8_t bytes[BYTES_MAX + 1];
  struct row *next;
};

static struct row *buckets[BUCKETS];
static struct row *previous;

static void fail(const char *what) {
  perror(what);
  exit(3);
}

static struct row *visit(pid_t child, uint64_t address) {
  struct row **bucket = &buckets[address * 0x9e3779b97f4a7c15u >> 44];
  struct row *row = *bucket;
  while (row && row->address != address) row = row->next;
  if (!row) {
    row = calloc(1, sizeof *row);
    row->address = address, row->next = *bucket, *bucket = row;
    struct iovec local = {row->bytes, BYTES_MAX}, remote = {(void *)address, BYTES_MAX};
    if (process_vm_readv(child, &local, 1, &remote, 1, 0) <= 0) {
      remote.iov_len = local.iov_len = 4096 - (address & 4095);
      process_vm_readv(child, &local, 1, &remote, 1, 0);
    }
  }
  row->passes++;
  row->entries += row != previous;
  return previous = row;
}

static void emulate_cpuid(const struct leaf *cpu, struct user_regs_struct *registers) {
  static const struct leaf none;
  uint32_t number = (uint32_t)registers->rax;
  const struct leaf *leaf = cpu;
  while (leaf->number != number && (leaf == cpu || leaf->number != 0)) leaf++;
  if (leaf->number != number) leaf = &none;
  registers->rax = leaf->eax, registers->rbx = leaf->ebx;
  registers->rcx = leaf->ecx, registers->rdx = leaf->edx;
  registers->rip += 2;
}

/* The register that a ModRM byte and a REX prefix name, in hardware numbering. */
static unsigned long long *destination(struct user_regs_struct *r, int number) {
  unsigned long long *registers[] = {&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp,
                                     &r->rsi, &r->rdi, &r->r8,  &r->r9,  &r->r10, &r->r11,
                                     &r->r12, &r->r13, &r->r14, &r->r15};
  return registers[number];
}

/* After a step over tzcnt: its CF says that the source was zero. */
static void correct_tzcnt(pid_t child, const struct row *row, struct user_regs_struct *before) {
  enum { CF = 1, ZF = 0x40 };
  int rex = (row->bytes[1] & 0xf0) == 0x40;
  if (row->bytes[0] != 0xf3 || row->bytes[1 + rex] != 0x0f || row->bytes[2 + rex] != 0xbc) return;
  struct user_regs_struct after;
  ptrace(PTRACE_GETREGS, child, 0, &after);
  int number = (row->bytes[3 + rex] >> 3 & 7) | (rex && row->bytes[1] & 4 ? 8 : 0);
  if (after.eflags & CF) *destination(&after, number) = *destination(before, number);
  after.eflags = (after.eflags & ~(unsigned long long)ZF) | (after.eflags & CF ? ZF : 0);
  ptrace(PTRACE_SETREGS, child, 0, &after);
}

/* Gives AT_HWCAP on the fresh stack the processor's value, and perhaps hides the vDSO. */
static void change_auxv(pid_t child, uint64_t stack, const struct leaf *cpu, int hide_vdso) {
  uint64_t at = stack + 8;
  for (int vectors = 0; vectors < 2; at += 8) {
    vectors += ptrace(PTRACE_PEEKDATA, child, at, 0) == 0;
  }
  for (;; at += 16) {
    long key = ptrace(PTRACE_PEEKDATA, child, at, 0);
    if (key == AT_NULL) return;
    if (key == AT_HWCAP) ptrace(PTRACE_POKEDATA, child, at + 8, cpu[1].edx);
    if (key == AT_SYSINFO_EHDR && hide_vdso) ptrace(PTRACE_POKEDATA, child, at, AT_IGNORE);
  }
}

static void write_rows(const char *path, uint64_t entry) {
  FILE *file = fopen(path, "w");
  if (!file) fail(path);
  fprintf(file, "entry %" PRIx64 "\n", entry);
  for (int bucket = 0; bucket < BUCKETS; bucket++) {
    for (struct row *row = buckets[bucket]; row; row = row->next) {
      fprintf(file, "%" PRIx64 " %" PRIu64 " %" PRIu64 " ", row->address, row->passes, row->entries);
      for (int i = 0; i < BYTES_MAX; i++) fprintf(file, "%02x", row->bytes[i]);
      fputc('\n', file);
    }
  }
  fclose(file);
}

static pid_t start(char **command) {
  pid_t child = fork();
  if (child == 0) {
    personality(ADDR_NO_RANDOMIZE);
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    execv(command[0], command + 1);
    _exit(127);
  }
  int status;
  if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) fail("start");
  return child;
}

int main(int argc, char **argv) {
  if (argc < 7) return 2;
  const struct leaf *cpu = strcmp(argv[1], "guest") == 0 ? guest : qemu64;
  pid_t child = start(argv + 5);
  struct user_regs_struct registers;
  if (ptrace(PTRACE_GETREGS, child, 0, &registers)) fail("registers");
  uint64_t entry = registers.rip;
  uint64_t until = strcmp(argv[3], "end") == 0 ? 0 : entry + strtoull(argv[3], 0, 16);
  change_auxv(child, registers.rsp, cpu, strcmp(argv[2], "none") == 0);
  for (int status = SIGTRAP << 8 | 0x7f; WIFSTOPPED(status);) {
    if (ptrace(PTRACE_GETREGS, child, 0, &registers)) fail("registers");
    if (registers.rip == until) {
      kill(child, SIGKILL);
      break;
    }
    struct row *row = visit(child, registers.rip);
    if (row->bytes[0] == 0x0f && row->bytes[1] == 0xa2) {
      emulate_cpuid(cpu, &registers);
      ptrace(PTRACE_SETREGS, child, 0, &registers);
      continue;
    }
    int signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    if (ptrace(PTRACE_SINGLESTEP, child, 0, signal)) fail("step");
    if (waitpid(child, &status, 0) != child) fail("wait");
    if (WIFSTOPPED(status)) correct_tzcnt(child, row, &registers);
  }
  write_rows(argv[4], entry);
  return 0;
}
