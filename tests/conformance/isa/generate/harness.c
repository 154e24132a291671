// Runs instruction vectors natively: reads struct input records from a file, writes struct output
// records. Built and called by generate.ts; needs an x86-64 host with FSGSBASE.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define DATA ((uint8_t *)0x10000000ul)
#define WINDOW ((uint8_t *)0x10000f80ul)
#define WINDOW_BYTES 256
#define CODE ((uint8_t *)0x20000000ul)
#define CODE_STRIDE 64
#define CODE_BYTES (8ul << 20)

struct input {
  uint64_t length;
  uint8_t code[48];
  uint64_t registers[16];
  uint64_t flags, fs_base;
  uint8_t memory[WINDOW_BYTES];
  uint8_t fx[512] __attribute__((aligned(16)));
};

struct output {
  uint64_t registers[16];
  uint64_t flags, trap, rip_offset, error, address, spare;
  uint8_t memory[WINDOW_BYTES];
  uint8_t fx[512] __attribute__((aligned(16)));
};

struct input in __attribute__((aligned(16)));
struct output out __attribute__((aligned(16)));
uint64_t host_rsp, host_fs, code_address;
static sigjmp_buf back;

void run(void);
extern char run_return[];
__asm__(
    ".intel_syntax noprefix\n"
    ".globl run\n.globl run_return\n"
    "run:\n"
    " push rbx\n push rbp\n push r12\n push r13\n push r14\n push r15\n"
    " mov [rip+host_rsp], rsp\n"
    " rdfsbase rax\n mov [rip+host_fs], rax\n"
    " mov rax, [rip+in+192]\n wrfsbase rax\n"
    " fxrstor64 [rip+in+464]\n"
    " push [rip+in+184]\n popfq\n"
    " mov rax, [rip+in+56]\n mov rcx, [rip+in+64]\n mov rdx, [rip+in+72]\n mov rbx, [rip+in+80]\n"
    " mov rsp, [rip+in+88]\n mov rbp, [rip+in+96]\n mov rsi, [rip+in+104]\n mov rdi, [rip+in+112]\n"
    " mov r8, [rip+in+120]\n mov r9, [rip+in+128]\n mov r10, [rip+in+136]\n mov r11, [rip+in+144]\n"
    " mov r12, [rip+in+152]\n mov r13, [rip+in+160]\n mov r14, [rip+in+168]\n mov r15, [rip+in+176]\n"
    " jmp [rip+code_address]\n"
    "run_return:\n"
    " mov [rip+out], rax\n mov [rip+out+8], rcx\n mov [rip+out+16], rdx\n mov [rip+out+24], rbx\n"
    " mov [rip+out+32], rsp\n mov [rip+out+40], rbp\n mov [rip+out+48], rsi\n mov [rip+out+56], rdi\n"
    " mov [rip+out+64], r8\n mov [rip+out+72], r9\n mov [rip+out+80], r10\n mov [rip+out+88], r11\n"
    " mov [rip+out+96], r12\n mov [rip+out+104], r13\n mov [rip+out+112], r14\n mov [rip+out+120], r15\n"
    " mov rsp, [rip+host_rsp]\n"
    " pushfq\n pop [rip+out+128]\n cld\n"
    " fxsave64 [rip+out+432]\n"
    " mov rax, [rip+host_fs]\n wrfsbase rax\n"
    " fninit\n"
    " pop r15\n pop r14\n pop r13\n pop r12\n pop rbp\n pop rbx\n ret\n"
    ".att_syntax\n");

_Static_assert(__builtin_offsetof(struct input, registers) == 56, "in.registers");
_Static_assert(__builtin_offsetof(struct input, flags) == 184, "in.flags");
_Static_assert(__builtin_offsetof(struct input, fs_base) == 192, "in.fs_base");
_Static_assert(__builtin_offsetof(struct input, fx) == 464, "in.fx");
_Static_assert(__builtin_offsetof(struct output, flags) == 128, "out.flags");
_Static_assert(__builtin_offsetof(struct output, fx) == 432, "out.fx");

static void handler(int sig, siginfo_t *info, void *context) {
  __asm__ volatile("wrfsbase %0" ::"r"(host_fs));
  (void)sig;
  (void)info;
  ucontext_t *c = context;
  static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  for (int i = 0; i < 16; i++) out.registers[i] = c->uc_mcontext.gregs[order[i]];
  out.flags = c->uc_mcontext.gregs[REG_EFL];
  out.trap = c->uc_mcontext.gregs[REG_TRAPNO];
  out.error = c->uc_mcontext.gregs[REG_ERR];
  out.address = c->uc_mcontext.gregs[REG_CR2];
  out.rip_offset = c->uc_mcontext.gregs[REG_RIP] - code_address;
  memcpy(out.fx, c->uc_mcontext.fpregs, 512);
  siglongjmp(back, 1);
}

static void *map(void *at, size_t bytes, int protection) {
  void *p = mmap(at, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (p != at) exit(3);
  return p;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  FILE *from = fopen(argv[1], "rb"), *to = fopen(argv[2], "wb");
  if (!from || !to) return 2;
  map(DATA, 8192, PROT_READ | PROT_WRITE);
  map(CODE, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
  stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
  sigaltstack(&stack, 0);
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (int i = 0; i < 5; i++) sigaction(signals[i], &action, 0);
  for (uint64_t n = 0; fread(&in, sizeof in, 1, from) == 1; n++) {
    uint8_t *code = CODE + n * CODE_STRIDE;
    memcpy(code, in.code, in.length);
    memcpy(code + in.length, "\xff\x25\0\0\0\0", 6);
    char *target = run_return;
    memcpy(code + in.length + 6, &target, 8);
    code_address = (uint64_t)code;
    memset(DATA, 0, 8192);
    memcpy(WINDOW, in.memory, WINDOW_BYTES);
    memset(&out, 0, sizeof out);
    out.trap = 255;
    if (!sigsetjmp(back, 0)) run();
    __asm__ volatile("cld");
    memcpy(out.memory, WINDOW, WINDOW_BYTES);
    if (fwrite(&out, sizeof out, 1, to) != 1) return 3;
  }
  return fclose(to);
}
