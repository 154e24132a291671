/* Each stop ends by the signal that Linux sends for one kind of fault. */
#define _GNU_SOURCE
#include "tour.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

static const char constant[] = "read-only data";
static unsigned char data[64] = {0xc3};

static void announce(void) {
  printf("before the fault\n");
  fflush(stdout);
}

static int survived(void) {
  printf("after the fault\n");
  return 1;
}

static void *hidden(uintptr_t address) {
  __asm__ volatile("" : "+r"(address));
  return (void *)address;
}

static int read_at(void *address) {
  announce();
  (void)*(volatile char *)address;
  return survived();
}

static int write_at(void *address) {
  announce();
  *(volatile char *)address = 1;
  return survived();
}

static int call_at(void *address) {
  announce();
  ((void (*)(void))(uintptr_t)address)();
  return survived();
}

#define STOP(name, action)                \
  int stop_##name(int argc, char **argv) { \
    (void)argc, (void)argv;               \
    action;                               \
  }

STOP(null_read, return read_at(hidden(0)))
STOP(null_write, return write_at(hidden(8)))
STOP(null_call, return call_at(hidden(0)))
STOP(write_text, return write_at(hidden((uintptr_t)constant)))
STOP(jump_data, return call_at(hidden((uintptr_t)data)))
STOP(jump_stack, unsigned char code[] = {0xc3}; return call_at(hidden((uintptr_t)code)))
STOP(non_canonical, return read_at(hidden(0x0001800000000000)))
STOP(kernel_address, return read_at(hidden(0xffffffff81000000)))

int stop_read_protected(int argc, char **argv) {
  (void)argc, (void)argv;
  return read_at(mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

int stop_misaligned_sse(int argc, char **argv) {
  (void)argc, (void)argv;
  announce();
  __asm__ volatile("movaps (%0), %%xmm0" : : "r"((uintptr_t)data | 1) : "xmm0");
  return survived();
}

int stop_undefined(int argc, char **argv) {
  (void)argc, (void)argv;
  announce();
  __asm__ volatile("ud2");
  return survived();
}

int stop_breakpoint(int argc, char **argv) {
  (void)argc, (void)argv;
  announce();
  __asm__ volatile("int3");
  return survived();
}

static int divide(int dividend, int divisor) {
  int quotient = dividend, remainder;
  announce();
  __asm__ volatile("cltd\n\tidivl %2" : "+a"(quotient), "=&d"(remainder) : "r"(divisor) : "cc");
  return survived() + quotient + remainder;
}

STOP(divide_zero, return divide(1, argc))
STOP(divide_overflow, return divide(INT_MIN, -1 - argc))

int stop_privileged(int argc, char **argv) {
  (void)argc, (void)argv;
  announce();
  __asm__ volatile("hlt");
  return survived();
}

static int deeper(volatile char *above) {
  volatile char frame[4000];
  frame[0] = above[0];
  return deeper(frame) + frame[0];
}

int stop_stack_overflow(int argc, char **argv) {
  (void)argc, (void)argv;
  announce();
  char first = 1;
  int result = deeper(&first);
  return survived() + result;
}
