/* Programs that become other programs: what goes, what stays, scripts, threads, errors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SELF "/proc/self/exe"

static char *environment[] = {"COLOUR=blue", "EMPTY=", NULL};

/* Runs `become` in a child and waits for it. */
static void in_child(const char *what, void (*become)(void)) {
  int status;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    become();
    printf("%s: not executed: %s\n", what, strerror(errno));
    exit(9);
  }
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) printf("%s: exit %d\n", what, WEXITSTATUS(status));
  else printf("%s: signal %d\n", what, WTERMSIG(status));
}

static void handler(int signal) { (void)signal; }

static void with_state(void) {
  sigset_t mask;
  int closed = open("/dev/null", O_RDONLY | O_CLOEXEC), kept = open("/dev/null", O_RDONLY);
  char first[8], second[8];
  signal(SIGUSR1, handler);
  signal(SIGUSR2, SIG_IGN);
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  sigprocmask(SIG_BLOCK, &mask, NULL);
  sprintf(first, "%d", closed);
  sprintf(second, "%d", kept);
  execle(SELF, "state", "show", first, second, NULL, environment);
}

static void show(char **argv) {
  struct sigaction action;
  sigset_t mask;
  char name[16];
  sigaction(SIGUSR1, NULL, &action);
  printf("usr1 default %d\n", action.sa_handler == SIG_DFL);
  sigaction(SIGUSR2, NULL, &action);
  printf("usr2 ignored %d\n", action.sa_handler == SIG_IGN);
  sigprocmask(SIG_BLOCK, NULL, &mask);
  printf("term blocked %d\n", sigismember(&mask, SIGTERM));
  printf("closed %d, kept %d\n", fcntl(atoi(argv[2]), F_GETFD) < 0, fcntl(atoi(argv[3]), F_GETFD));
  prctl(PR_GET_NAME, name);
  printf("%s called %s, colour %s\n", argv[0], name, getenv("COLOUR"));
}

static void *become_from_thread(void *unused) {
  execl(SELF, "thread", "report", NULL);
  return unused;
}

static void from_thread(void) {
  pthread_t threads[3];
  pthread_t last;
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, (void *(*)(void *))pause, NULL);
  pthread_create(&last, NULL, become_from_thread, NULL);
  pthread_join(last, NULL);
}

static void write_script(const char *text, mode_t mode) {
  int fd = open("/tmp/cyclelab-script", O_CREAT | O_WRONLY | O_TRUNC, 0700);
  if (write(fd, text, strlen(text)) < 0) exit(8);
  fchmod(fd, mode);
  close(fd);
}

static void script(void) { execl("/tmp/cyclelab-script", "ignored", "first", "second", NULL); }

static void missing(void) { execl("/no/such/file", "x", NULL); }
static void directory(void) { execl("/tmp", "x", NULL); }
static void no_program(void) { execl("/dev/null", "x", NULL); }

static void too_long(void) {
  char *text = malloc(200001);
  memset(text, 'a', 200000);
  text[200000] = 0;
  execl(SELF, "x", text, NULL);
}

static void by_descriptor(void) {
  int fd = open(SELF, O_RDONLY);
  char *arguments[] = {"descriptor", "report", NULL};
  fexecve(fd, arguments, environment);
}

static void borrowed(void) {
  int status;
  fflush(stdout);
  pid_t child = vfork();
  if (child == 0) {
    execl(SELF, "borrowed", "report", NULL);
    _exit(7);
  }
  waitpid(child, &status, 0);
  printf("vfork: exit %d\n", WEXITSTATUS(status));
}

static void all(void) {
  in_child("state", with_state);
  in_child("thread", from_thread);
  write_script("#! " SELF "   one argument \nnot looked at\n", 0700);
  in_child("script", script);
  write_script("#!/no/interpreter\n", 0700);
  in_child("script without interpreter", script);
  write_script("just text\n", 0700);
  in_child("text", script);
  write_script("#!" SELF "\n", 0600);
  in_child("not executable", script);
  unlink("/tmp/cyclelab-script");
  in_child("missing", missing);
  in_child("directory", directory);
  in_child("device", no_program);
  in_child("too long", too_long);
  in_child("descriptor", by_descriptor);
  borrowed();
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "all") == 0) {
    all();
  } else if (argc > 1 && strcmp(argv[1], "show") == 0) {
    show(argv);
  } else {
    for (int i = 0; i < argc; i++) printf("[%s] ", argv[i]);
    printf("leader %d\n", getpid() == gettid());
  }
  return argc;
}
