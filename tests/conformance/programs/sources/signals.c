/* Signals: handlers, siginfo, faults that a handler repairs, queues, masks, waiting for them. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ucontext.h>
#include <time.h>
#include <unistd.h>

static volatile int number, code, value;
static volatile long address;
static volatile double result;

/* ud2 and mov (%rax),%eax are two bytes long: the handler goes on after them. */
static void handle(int signal, siginfo_t *info, void *context) {
  number = signal;
  code = info->si_code;
  address = (long)info->si_addr;
  value = info->si_value.sival_int;
  result = 3.5 * signal;
  if (signal == SIGSEGV || signal == SIGILL) {
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
  }
}

static void handle_all(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO;
  /* 32 and 33 belong to the C library. */
  for (int signal = 1; signal < 65; signal++) {
    if (signal != SIGKILL && signal != SIGSTOP && signal != 32 && signal != 33) {
      sigaction(signal, &action, NULL);
    }
  }
}

static void sent(void) {
  volatile double kept = 1.25;
  raise(SIGUSR1);
  printf("usr1 %d %d %g %g\n", number, code == SI_TKILL, result, kept);
  kill(getpid(), SIGUSR2);
  printf("usr2 %d %d\n", number, code == SI_USER);
  union sigval payload = {.sival_int = 77};
  sigqueue(getpid(), SIGRTMIN + 1, payload);
  printf("real time %d %d %d\n", number, code == SI_QUEUE, value);
}

static void faults(void) {
  __asm__ volatile("ud2");
  printf("ill %d %d\n", number, code);
  register long *pointer __asm__("rax") = (long *)0x10;
  __asm__ volatile(".byte 0x8b, 0x00" : : "r"(pointer) : "memory");
  printf("segv %d %d %lx\n", number, code, address);
}

static void waited(void) {
  sigset_t blocked, pending;
  siginfo_t info;
  struct timespec patience = {0, 1000000};
  int found;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGRTMIN + 2);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  for (int i = 0; i < 3; i++) {
    union sigval payload = {.sival_int = i};
    sigqueue(getpid(), SIGRTMIN + 2, payload);
  }
  raise(SIGUSR1);
  raise(SIGUSR1);
  sigpending(&pending);
  printf("pending %d %d\n", sigismember(&pending, SIGRTMIN + 2), sigismember(&pending, SIGUSR1));
  while ((found = sigtimedwait(&blocked, &info, &patience)) > 0) {
    printf("took %d %d\n", found, found == SIGUSR1 ? 0 : info.si_value.sival_int);
  }
  printf("then %d %s\n", found, strerror(errno));
}

int main(void) {
  handle_all();
  sent();
  faults();
  waited();
  return 0;
}
