/* Processes: fork and copy on write, wait, stopping, vfork, a pipe between two. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/wait.h>
#include <signal.h>
#include <errno.h>
#include <string.h>
int g=1; 
int main(void){ setvbuf(stdout,0,_IONBF,0);
 for(int i=0;i<5;i++){ pid_t p=fork(); if(!p){ g+=i; char*m=malloc(100000); memset(m,i,100000); printf("child %d g=%d\n",i,g); _exit(g);} int st; pid_t r=waitpid(p,&st,0); printf("r=%d ex=%d g=%d\n",r==p,WEXITSTATUS(st),g);} 
 pid_t p=fork(); if(!p){ pause(); _exit(1);} kill(p,SIGTERM); int st; wait(&st); printf("sig %d\n",WTERMSIG(st));
 p=fork(); if(!p){ raise(SIGSTOP); _exit(7);} waitpid(p,&st,WUNTRACED); printf("stopped %d %d\n",WIFSTOPPED(st),WSTOPSIG(st)); kill(p,SIGCONT); waitpid(p,&st,WCONTINUED); printf("cont %d\n",WIFCONTINUED(st)); waitpid(p,&st,0); printf("exit %d\n",WEXITSTATUS(st));
 int none=wait(&st); printf("echild %d %d\n",none,errno==ECHILD);
 p=vfork(); if(!p){ g=99; _exit(3);} waitpid(p,&st,0); printf("vfork g=%d %d\n",g,WEXITSTATUS(st));
 int fd[2]; if(pipe(fd)) return 1; p=fork(); if(!p){ _exit(write(fd[1],"hello",5)!=5);} char b[10]={0}; int n=read(fd[0],b,9); printf("pipe %d %s\n",n,b); wait(0);

 return 0; }
