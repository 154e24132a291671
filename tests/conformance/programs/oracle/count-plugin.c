/*
 * QEMU user-mode plugin: how often each guest instruction retires.
 *
 * Writes one line per executed address at exit:
 *   <address hex> <passes> <entries> <bytes hex>
 * "passes" is QEMU's own count. A rep string instruction passes once per iteration and once more to
 * leave, because QEMU branches back to it; "entries" counts arrivals from another instruction, so
 * it is what a processor retires. For every other instruction the two are equal.
 * The first line is "entry <address>": the first instruction of all, which gives the load address.
 *
 * Written against API version 1 (QEMU 4.2 to 8.1). QEMU's header is not packaged by distributions,
 * so the few declarations needed are here.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*callback)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
                                            void (*callback)(unsigned cpu, void *data), int flags,
                                            void *data);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*callback)(plugin_id, void *), void *data);

enum { BYTES_MAX = 15, BUCKETS = 1 << 16 };

struct row {
  uint64_t address, passes, entries;
  uint8_t size, bytes[BYTES_MAX];
  struct row *next;
};

static struct row *buckets[BUCKETS];
static struct row *previous, *first;
static const char *path = "counts.txt";

static struct row *find(uint64_t address, const uint8_t *bytes, size_t size) {
  struct row **bucket = &buckets[address * 0x9e3779b97f4a7c15u >> 48];
  for (struct row *row = *bucket; row; row = row->next) {
    if (row->address == address && row->size == size && !memcmp(row->bytes, bytes, size)) return row;
  }
  struct row *row = calloc(1, sizeof *row);
  row->address = address, row->size = (uint8_t)size, row->next = *bucket;
  memcpy(row->bytes, bytes, size);
  return *bucket = row;
}

static void executed(unsigned cpu, void *data) {
  (void)cpu;
  struct row *row = data;
  if (!first) first = row;
  row->passes++;
  row->entries += row != previous;
  previous = row;
}

static void translated(plugin_id id, struct qemu_plugin_tb *block) {
  (void)id;
  for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
    struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
    size_t size = qemu_plugin_insn_size(instruction);
    struct row *row = find(qemu_plugin_insn_vaddr(instruction), qemu_plugin_insn_data(instruction),
                           size < BYTES_MAX ? size : BYTES_MAX);
    qemu_plugin_register_vcpu_insn_exec_cb(instruction, executed, 0, row);
  }
}

static void leave(plugin_id id, void *data) {
  (void)id, (void)data;
  FILE *file = fopen(path, "w");
  if (!file) return;
  fprintf(file, "entry %" PRIx64 "\n", first ? first->address : 0);
  for (int bucket = 0; bucket < BUCKETS; bucket++) {
    for (struct row *row = buckets[bucket]; row; row = row->next) {
      if (row->passes == 0) continue;
      fprintf(file, "%" PRIx64 " %" PRIu64 " %" PRIu64 " ", row->address, row->passes, row->entries);
      for (int i = 0; i < row->size; i++) fprintf(file, "%02x", row->bytes[i]);
      fputc('\n', file);
    }
  }
  fclose(file);
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *info,
                                                               int argc, char **argv) {
  (void)info;
  for (int i = 0; i < argc; i++) {
    if (strncmp(argv[i], "out=", 4) == 0) path = strdup(argv[i] + 4);
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, leave, 0);
  return 0;
}
