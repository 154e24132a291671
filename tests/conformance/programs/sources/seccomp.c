/* Seccomp: the strict mode, filters in classic BPF, what becomes of a refused call, inheritance. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

/* As in linux/filter.h and linux/seccomp.h, which musl does not bring. */
struct instruction {
  uint16_t code;
  uint8_t yes, no;
  uint32_t operand;
};
struct program {
  unsigned short count;
  const struct instruction *code;
};
struct call {
  int number;
  uint32_t arch;
  uint64_t address;
  uint64_t arguments[6];
};
enum { LOAD = 0x20, IF_EQUAL = 0x15, IF_SET = 0x45, AND = 0x54, STORE = 0x02, FETCH = 0x60 };
enum { SHIFT_RIGHT = 0x74, ADD_INDEX = 0x0c, TO_INDEX = 0x07, DIVIDE = 0x34, GIVE = 0x06 };
#define GIVE_SUM 0x16
#define ALLOW 0x7fff0000u
#define KILL_PROCESS 0x80000000u
#define TRAP 0x00030000u
#define FAIL(error) (0x00050000u | (error))
#define NUMBER offsetof(struct call, number)
#define ARGUMENT(n) (offsetof(struct call, arguments) + 8 * (n))
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const char *error_of(long result) { return result < 0 ? strerror(errno) : "none"; }

static long install(const struct instruction *code, unsigned short count) {
  struct program program = {count, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return syscall(SYS_seccomp, 1, 0, &program);
}

/* Refuses one call with what `answer` says. */
static long refuse(int number, uint32_t answer) {
  struct instruction code[] = {
      {LOAD, 0, 0, NUMBER},
      {IF_EQUAL, 0, 1, (uint32_t)number},
      {GIVE, 0, 0, answer},
      {GIVE, 0, 0, ALLOW},
  };
  return install(code, LENGTH(code));
}

static void report(const char *what, int status) {
  if (WIFSIGNALED(status)) {
    printf("%s: killed by %s%s\n", what, strsignal(WTERMSIG(status)),
           WCOREDUMP(status) ? ", core" : "");
  } else {
    printf("%s: exit %d\n", what, WEXITSTATUS(status));
  }
  fflush(stdout);
}

static void in_child(const char *what, void (*body)(void)) {
  int status;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    body();
    _exit(0);
  }
  waitpid(child, &status, 0);
  report(what, status);
}

static void strict_and_quiet(void) {
  prctl(PR_SET_SECCOMP, 1);
  syscall(SYS_write, 1, "still here\n", 11);
  syscall(SYS_exit, 3);
}

static void strict_and_curious(void) {
  prctl(PR_SET_SECCOMP, 1);
  syscall(SYS_getpid);
}

static void strict(void) {
  printf("mode %d\n", prctl(PR_GET_SECCOMP));
  in_child("allowed calls", strict_and_quiet);
  in_child("any other", strict_and_curious);
}

static void errors(void) {
  struct instruction good[] = {{GIVE, 0, 0, ALLOW}};
  struct instruction endless[] = {{LOAD, 0, 0, NUMBER}};
  struct instruction odd[] = {{LOAD, 0, 0, 2}, {GIVE, 0, 0, ALLOW}};
  struct instruction beyond[] = {{LOAD, 0, 0, 64}, {GIVE, 0, 0, ALLOW}};
  struct instruction far[] = {{IF_EQUAL, 5, 0, 0}, {GIVE, 0, 0, ALLOW}};
  struct instruction unknown[] = {{0x30, 0, 0, 0}, {GIVE, 0, 0, ALLOW}};
  struct instruction empty[] = {{FETCH, 0, 0, 3}, {GIVE, 0, 0, ALLOW}};
  struct instruction zero[] = {{DIVIDE, 0, 0, 0}, {GIVE, 0, 0, ALLOW}};
  printf("mode 7: %s\n", error_of(prctl(PR_SET_SECCOMP, 7)));
  printf("no program: %s\n", error_of(install(good, 0)));
  printf("no memory: %s\n", error_of(install((void *)16, 1)));
  printf("no end: %s\n", error_of(install(endless, LENGTH(endless))));
  printf("odd offset: %s\n", error_of(install(odd, LENGTH(odd))));
  printf("beyond the data: %s\n", error_of(install(beyond, LENGTH(beyond))));
  printf("far jump: %s\n", error_of(install(far, LENGTH(far))));
  printf("byte load: %s\n", error_of(install(unknown, LENGTH(unknown))));
  printf("nothing stored: %s\n", error_of(install(empty, LENGTH(empty))));
  printf("by zero: %s\n", error_of(install(zero, LENGTH(zero))));
  printf("flags: %s\n", error_of(syscall(SYS_seccomp, 1, 1 << 20, NULL)));
  printf("strict with flags: %s\n", error_of(syscall(SYS_seccomp, 0, 1, NULL)));
  printf("operation: %s\n", error_of(syscall(SYS_seccomp, 99, 0, NULL)));
  printf("good: %s\n", error_of(install(good, 1)));
  printf("mode %d\n", prctl(PR_GET_SECCOMP));
  printf("strict after a filter: %s\n", error_of(prctl(PR_SET_SECCOMP, 1)));
  uint32_t known = TRAP, strange = 0x12340000;
  printf("action known: %s\n", error_of(syscall(SYS_seccomp, 2, 0, &known)));
  printf("action strange: %s\n", error_of(syscall(SYS_seccomp, 2, 0, &strange)));
}

static void without_privilege(void) {
  struct instruction code[] = {{GIVE, 0, 0, ALLOW}};
  struct program program = {1, code};
  if (setuid(1234) != 0) _exit(9);
  printf("as somebody: %s\n", error_of(prctl(PR_SET_SECCOMP, 2, &program)));
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  printf("without new privileges: %s\n", error_of(prctl(PR_SET_SECCOMP, 2, &program)));
  fflush(stdout);
}

static void privileges(void) { in_child("child", without_privilege); }

static void answers(void) {
  printf("before: %s\n", error_of(syscall(SYS_getppid)));
  refuse(SYS_getppid, FAIL(EXDEV));
  printf("refused: %s\n", error_of(syscall(SYS_getppid)));
  printf("another: %s\n", syscall(SYS_getpid) == getpid() ? "works" : "fails");
  refuse(SYS_getuid, FAIL(0));
  printf("faked: %ld\n", syscall(SYS_getuid));
  refuse(SYS_getppid, FAIL(ENOTTY));
  printf("the newest of equals: %s\n", error_of(syscall(SYS_getppid)));
  refuse(SYS_getgid, FAIL(5000));
  syscall(SYS_getgid);
  printf("largest error: %d\n", errno);
}

static void of_an_argument(void) {
  /* getpriority(which, who): allowed for which == 0 only, by arithmetic on its low half. */
  struct instruction code[] = {
      {LOAD, 0, 0, NUMBER},
      {IF_EQUAL, 0, 10, SYS_getpriority},
      {LOAD, 0, 0, ARGUMENT(0)},
      {STORE, 0, 0, 1},
      {AND, 0, 0, 0xff},
      {TO_INDEX, 0, 0, 0},
      {FETCH, 0, 0, 1},
      {SHIFT_RIGHT, 0, 0, 8},
      {ADD_INDEX, 0, 0, 0},
      {IF_SET, 0, 2, 0xffff},
      {GIVE, 0, 0, FAIL(EDOM)},
      {GIVE_SUM, 0, 0, 0},
      {GIVE, 0, 0, ALLOW},
  };
  printf("installed: %s\n", error_of(install(code, LENGTH(code))));
  printf("first: %s\n", error_of(syscall(SYS_getpriority, 0, 0)));
  printf("second: %s\n", error_of(syscall(SYS_getpriority, 1, 0)));
  printf("third: %s\n", error_of(syscall(SYS_getpriority, 0x200, 0)));
}

static void arguments(void) { in_child("child", of_an_argument); }

static volatile int trapped, trapped_code, trapped_errno, trapped_call;
static volatile long trapped_rax;

static void on_trap(int signal, siginfo_t *info, void *context) {
  trapped = signal;
  trapped_code = info->si_code;
  trapped_errno = info->si_errno;
  trapped_call = info->si_syscall;
  trapped_rax = ((ucontext_t *)context)->uc_mcontext.gregs[13];
}

static void traps(void) {
  struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
  sigaction(SIGSYS, &action, NULL);
  refuse(SYS_getppid, TRAP | 77);
  long result = syscall(SYS_getppid);
  printf("signal %d code %d errno %d call %d\n", trapped, trapped_code, trapped_errno, trapped_call);
  printf("rax %ld, result %ld\n", trapped_rax, result);
}

static void make_forbidden_call(void) {
  refuse(SYS_getppid, KILL_PROCESS);
  syscall(SYS_getppid);
}

static void make_forbidden_call_in_thread(void) {
  refuse(SYS_getppid, 0);
  syscall(SYS_getppid);
}

static void trap_without_handler(void) {
  refuse(SYS_getppid, TRAP);
  syscall(SYS_getppid);
}

static void kills(void) {
  in_child("process", make_forbidden_call);
  in_child("thread", make_forbidden_call_in_thread);
  in_child("trap", trap_without_handler);
}

static void call_in_grandchild(void) {
  if (fork() == 0) _exit(syscall(SYS_getppid) == -1 && errno == EXDEV ? 5 : 6);
  int status;
  wait(&status);
  _exit(WEXITSTATUS(status));
}

static void inheritance(void) {
  refuse(SYS_getppid, FAIL(EXDEV));
  in_child("grandchild", call_in_grandchild);
}

int main(int argc, char **argv) {
  static const struct part parts[] = {
      {"strict", strict},   {"errors", errors},       {"privileges", privileges},
      {"answers", answers}, {"arguments", arguments}, {"traps", traps},
      {"kills", kills},     {"inheritance", inheritance},
  };
  return RUN_PART(parts);
}
