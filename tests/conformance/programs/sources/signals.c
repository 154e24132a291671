/* Signals: handlers, siginfo, faults that a handler repairs, queues, masks, waiting for them. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include <sys/ucontext.h>
static volatile int got, code, val; static volatile long addr; static volatile double d;
static void h(int s, siginfo_t*i, void*u){ got=s; code=i->si_code; addr=(long)i->si_addr; val=i->si_value.sival_int; d=3.5*s; ucontext_t*c=u; if(s==SIGSEGV||s==SIGILL) c->uc_mcontext.gregs[REG_RIP]+=2; }
int main(void){
  struct sigaction a; memset(&a,0,sizeof a); a.sa_sigaction=h; a.sa_flags=SA_SIGINFO;
  for(int s=1;s<65;s++) if(s!=9&&s!=19&&s!=32&&s!=33) sigaction(s,&a,0);
  volatile double x=1.25;
  raise(SIGUSR1); printf("usr1 %d %d %g %g\n",got,code==SI_TKILL,d,x);
  kill(getpid(),SIGUSR2); printf("usr2 %d %d\n",got,code==SI_USER);
  __asm__ volatile("ud2"); printf("ill %d %d\n",got,code);
  register long *p __asm__("rax")=(long*)0x10; __asm__ volatile(".byte 0x8b,0x00"::"r"(p):"memory"); printf("segv %d %d %lx\n",got,code,addr);
  union sigval v={.sival_int=77}; sigqueue(getpid(),SIGRTMIN+1,v); printf("rt %d %d %d\n",got,code==SI_QUEUE,val);
  sigset_t m,o; sigemptyset(&m); sigaddset(&m,SIGRTMIN+2); sigaddset(&m,SIGUSR1); sigprocmask(SIG_BLOCK,&m,&o);
  for(int i=0;i<3;i++){v.sival_int=i; sigqueue(getpid(),SIGRTMIN+2,v);} raise(SIGUSR1);raise(SIGUSR1);
  sigset_t pend; sigpending(&pend); printf("pend %d %d\n",sigismember(&pend,SIGRTMIN+2),sigismember(&pend,SIGUSR1));
  siginfo_t si; struct timespec ts={0,1000000}; int r; while((r=sigtimedwait(&m,&si,&ts))>0) printf("tw %d %d\n",r,si.si_value.sival_int); printf("tw end %d %s\n",r,strerror(errno));
  return 0; }
