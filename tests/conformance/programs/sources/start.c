/* What the kernel hands to a new program: argument, environment and auxiliary vectors. */
#define _GNU_SOURCE
#include "tour.h"

#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char **environ;

int stop_args(int argc, char **argv) {
  printf("argc %d\n", argc);
  for (int i = -2; i <= argc; i++) printf("argv[%d] %s\n", i + 2, argv[i] ? argv[i] : "(end)");
  int count = 0;
  for (char **entry = environ; *entry; entry++, count++) printf("env[%d] %s\n", count, *entry);
  printf("envc %d\n", count);
  return argc;
}

static const Elf64_auxv_t *auxiliary(void) {
  char **entry = environ;
  while (*entry) entry++;
  return (const Elf64_auxv_t *)(entry + 1);
}

static const struct {
  unsigned long key;
  const char *name;
  int has_fixed_value;
} known[] = {
    {AT_SYSINFO_EHDR, "AT_SYSINFO_EHDR", 0},
    {AT_HWCAP, "AT_HWCAP", 0},
    {AT_PAGESZ, "AT_PAGESZ", 1},
    {AT_CLKTCK, "AT_CLKTCK", 1},
    {AT_PHDR, "AT_PHDR", 0},
    {AT_PHENT, "AT_PHENT", 1},
    {AT_PHNUM, "AT_PHNUM", 1},
    {AT_BASE, "AT_BASE", 1},
    {AT_FLAGS, "AT_FLAGS", 1},
    {AT_ENTRY, "AT_ENTRY", 0},
    {AT_UID, "AT_UID", 0},
    {AT_EUID, "AT_EUID", 0},
    {AT_GID, "AT_GID", 0},
    {AT_EGID, "AT_EGID", 0},
    {AT_SECURE, "AT_SECURE", 1},
    {AT_RANDOM, "AT_RANDOM", 0},
    {AT_HWCAP2, "AT_HWCAP2", 0},
    {AT_EXECFN, "AT_EXECFN", 0},
    {AT_PLATFORM, "AT_PLATFORM", 0},
};

/* Keys in the kernel's order; newer kernels add some (rseq, signal stack) that are left out. */
int stop_auxv(int argc, char **argv) {
  (void)argc, (void)argv;
  for (const Elf64_auxv_t *entry = auxiliary(); entry->a_type != AT_NULL; entry++) {
    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++) {
      if (known[i].key != entry->a_type) continue;
      if (known[i].has_fixed_value) printf("%s %lu\n", known[i].name, entry->a_un.a_val);
      else printf("%s\n", known[i].name);
    }
  }
  return 0;
}

extern void _start(void);
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

/* Relations between the values, which hold wherever the image and the stack are. */
int stop_stack(int argc, char **argv) {
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)__ehdr_start;
  const char *vdso = (const char *)getauxval(AT_SYSINFO_EHDR);
  const char *random = (const char *)getauxval(AT_RANDOM);
  const char *platform = (const char *)getauxval(AT_PLATFORM);
  const char *path = (const char *)getauxval(AT_EXECFN);
  check("entry", getauxval(AT_ENTRY) == (uintptr_t)_start);
  check("program headers", getauxval(AT_PHDR) == (uintptr_t)__ehdr_start + header->e_phoff);
  check("vdso is an ELF image", vdso && memcmp(vdso, ELFMAG, SELFMAG) == 0);
  check("vdso is page aligned", ((uintptr_t)vdso & 4095) == 0);
  check("platform", platform && strcmp(platform, "x86_64") == 0);
  check("argc word below argv", *((long *)(argv - 2) - 1) == argc + 2);
  check("argc is 16-byte aligned", ((uintptr_t)((long *)(argv - 2) - 1) & 15) == 0);
  check("environment follows argv", environ == argv + argc + 1);
  int contiguous = 1;
  const char *next = argv[-2];
  for (char **entry = argv - 2; *entry; entry++) {
    contiguous &= *entry == next;
    next = *entry + strlen(*entry) + 1;
  }
  for (char **entry = environ; *entry; entry++) {
    contiguous &= *entry == next;
    next = *entry + strlen(*entry) + 1;
  }
  check("strings are contiguous: argv, environment", contiguous);
  check("path follows the environment", path == next);
  check("path ends 9 bytes below a page boundary",
        ((uintptr_t)(path + strlen(path) + 1 + 8) & 4095) == 0);
  check("random bytes lie below the strings", random < argv[-2]);
  check("random bytes lie above the vectors", random > (const char *)auxiliary());
  check("platform lies above the random bytes", platform > random && platform < argv[-2]);
  return failures();
}

int stop_random(int argc, char **argv) {
  (void)argc, (void)argv;
  const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
  unsigned bits = 0;
  for (int i = 0; i < 16; i++) bits |= random[i];
  check("AT_RANDOM has bits set", bits != 0);
  check("AT_PAGESZ agrees with sysconf", (long)getauxval(AT_PAGESZ) == sysconf(_SC_PAGESIZE));
  check("an absent key reads 0", getauxval(9999) == 0);
  return failures();
}
