/* Processes: fork and copy on write, wait, stopping and continuing, vfork, a pipe between two. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int shared = 1;

static void copies(void) {
  for (int i = 0; i < 5; i++) {
    pid_t child = fork();
    if (child == 0) {
      shared += i;
      memset(malloc(100000), i, 100000);
      printf("child %d has %d\n", i, shared);
      _exit(shared);
    }
    int status;
    int found = waitpid(child, &status, 0) == child;
    printf("found %d, status %d, parent has %d\n", found, WEXITSTATUS(status), shared);
  }
}

static void killed(void) {
  int status;
  pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(1);
  }
  kill(child, SIGTERM);
  wait(&status);
  printf("killed by %d\n", WTERMSIG(status));
}

/* The child goes on, then waits for a byte, so that the parent surely sees it continue. */
static void stopped(void) {
  int status, gate[2];
  if (pipe(gate) != 0) exit(1);
  pid_t child = fork();
  if (child == 0) {
    char byte;
    raise(SIGSTOP);
    _exit(read(gate[0], &byte, 1) == 1 ? 7 : 1);
  }
  waitpid(child, &status, WUNTRACED);
  printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
  kill(child, SIGCONT);
  waitpid(child, &status, WCONTINUED);
  printf("continued %d\n", WIFCONTINUED(status));
  if (write(gate[1], "x", 1) != 1) exit(1);
  waitpid(child, &status, 0);
  printf("exit %d\n", WEXITSTATUS(status));
  int none = wait(&status);
  printf("no child: %d, ECHILD %d\n", none, errno == ECHILD);
}

static void borrowed(void) {
  int status;
  pid_t child = vfork();
  if (child == 0) {
    shared = 99;
    _exit(3);
  }
  waitpid(child, &status, 0);
  printf("vfork: parent has %d, status %d\n", shared, WEXITSTATUS(status));
}

static void piped(void) {
  int ends[2];
  char text[10] = {0};
  if (pipe(ends) != 0) exit(1);
  if (fork() == 0) _exit(write(ends[1], "hello", 5) != 5);
  int bytes = read(ends[0], text, 9);
  printf("pipe: %d bytes, %s\n", bytes, text);
  wait(NULL);
}

/* The directory of a process in /proc goes with it, also when it was looked at before. */
static void listed(void) {
  char path[32];
  pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(1);
  }
  sprintf(path, "/proc/%d/stat", child);
  printf("listed %d\n", access(path, F_OK) == 0);
  kill(child, SIGKILL);
  wait(NULL);
  printf("listed %d\n", access(path, F_OK) == 0);
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  copies();
  killed();
  stopped();
  borrowed();
  piped();
  listed();
  return 0;
}
