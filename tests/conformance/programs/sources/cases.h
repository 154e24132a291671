/* Choosing one of a program's cases by its first argument. */
#include <stdio.h>
#include <string.h>

struct part {
  const char *name;
  void (*run)(void);
};

static int run_part(const struct part *parts, int count, int argc, char **argv) {
  for (int i = 0; argc > 1 && i < count; i++) {
    if (strcmp(parts[i].name, argv[1]) != 0) continue;
    parts[i].run();
    return 0;
  }
  printf("no such part\n");
  return 2;
}

#define RUN_PART(parts) run_part(parts, sizeof(parts) / sizeof((parts)[0]), argc, argv)
