/* The kernel's side: system calls, processes, pipes, page faults, files; code that changes or makes code. */
#define _GNU_SOURCE
#include "bench.h"
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/syscall.h>
#include <fcntl.h>
static const char*env(const char*k,const char*d){ const char*v=getenv(k); return v?v:d; }
static u64 sysc(unsigned d){ u64 n=500000/d,s=0; pid_t p=getppid(); for(u64 i=0;i<n;i++) s+= syscall(SYS_getppid)==p; return s; }
static u64 forkexec(unsigned d){ u32 n=200/d,ok=0; if(!n)n=1; const char*t=env("TRUE_BIN","/bin/true_s"); for(u32 i=0;i<n;i++){ pid_t p=fork(); if(!p){ char*av[]={(char*)"true_s",0}; execv(t,av); _exit(99); } int st=0; waitpid(p,&st,0); ok+= WIFEXITED(st)&&WEXITSTATUS(st)==42; } return ok; }
static u64 pipepp(unsigned d){ u32 n=20000/d; int a[2],b[2]; if(pipe(a)||pipe(b)) return -1; pid_t p=fork(); if(!p){ u32 v; for(u32 i=0;i<n;i++){ if(read(a[0],&v,4)!=4)_exit(1); v=v*3+1; if(write(b[1],&v,4)!=4)_exit(1);} _exit(0);} u32 v=1; for(u32 i=0;i<n;i++){ if(write(a[1],&v,4)!=4||read(b[0],&v,4)!=4) return -2; } waitpid(p,0,0); return v; }
static u64 pgf(unsigned d){ u32 n=150/d; if(!n)n=1; u64 s=0; size_t L=1<<20; for(u32 i=0;i<n;i++){ u8*p=mmap(0,L,PROT_READ|PROT_WRITE,MAP_PRIVATE|MAP_ANONYMOUS,-1,0); if(p==MAP_FAILED) return -1; madvise(p,L,MADV_NOHUGEPAGE); for(size_t k=0;k<L;k+=4096){ s+=p[k]; p[k]=(u8)(i+k); s+=p[k]; } munmap(p,L); } return s; }
#define GZN (8u<<20)
static void path(char*o,const char*n){ sprintf(o,"%s/%s",env("BTMP","/tmp"),n); }
static u32 gzn;
static void gen(unsigned d){ gzn=GZN/d; static const char*w[]={"the ","kernel ","virtual ","machine ","page ","fault ","of ","and ","interrupt ","0x","register ","memory ","in ","a ","translation\n","cache ","struct ","return ","if (","); }\n","static ","int ","i++ ","= "}; u8*b=malloc(gzn+64); u32 s=77,n=0; while(n<gzn){ u32 r=rnd(&s); if((r&31)<2){ int k=4+(r>>8&7); while(k--) b[n++]=rnd(&s); } else if((r&31)<6) n+=sprintf((char*)b+n,"%u ",rnd(&s)); else { const char*t=w[(r>>6)%24]; size_t l=strlen(t); memcpy(b+n,t,l); n+=l; } } char p[200]; path(p,"f"); int fd=open(p,O_CREAT|O_TRUNC|O_WRONLY,0644); if(write(fd,b,gzn)!=(ssize_t)gzn) perror("write"); close(fd); free(b); }
static int runbb(const char*in,const char*out,char*const*av){ char pi[200],po[200]; path(pi,in); path(po,out); pid_t p=fork(); if(!p){ int i=open(pi,O_RDONLY),o=open(po,O_CREAT|O_TRUNC|O_WRONLY,0644); dup2(i,0); dup2(o,1); execv(env("BB","/bin/busybox"),av); _exit(99);} int st; waitpid(p,&st,0); return st; }
static u32 crcf(const char*n){ char p[200]; path(p,n); int fd=open(p,O_RDONLY); u32 c=0; static u8 b[65536]; ssize_t r; while((r=read(fd,b,sizeof b))>0) c=crc32_buf(c,b,r); close(fd); return c; }
static u64 gz(unsigned d){ char*av[]={(char*)"busybox",(char*)"gzip",(char*)"-c",0}; int st=runbb("f","f.gz",av); return (u64)st<<32; }
static u64 guz(unsigned d){ char*av[]={(char*)"busybox",(char*)"gunzip",(char*)"-c",0}; int st=runbb("f.gz","f.out",av); return (u64)st<<32; }
static u64 gzsum_run(unsigned d){ u64 r=(u64)crcf("f.gz")<<32|crcf("f.out"); if(crcf("f")!=(u32)r) return 0xbadbadbad; return r; }
static u8*smcp;
static void smcset(unsigned d){ smcp=mmap(0,8192,PROT_READ|PROT_WRITE|PROT_EXEC,MAP_PRIVATE|MAP_ANONYMOUS,-1,0); static const u8 c[]={0xb8,0x01,0x02,0x03,0x04,0x83,0xc0,0x05,0xc3}; memcpy(smcp+64,c,sizeof c); }
static u64 smc(unsigned d){ u32 n=60000/d; u64 s=0; u32(*f)(void)=(u32(*)(void))(smcp+64); for(u32 i=0;i<n;i++){ *(volatile u8*)(smcp+65)=(u8)(i*7); s=s*3+f(); } return s; }
/* JIT-generator pattern: write a fresh 64-byte function, call it 20 times, move on through a 64 KiB code cache */
static u8*jp; static void jset(unsigned d){ jp=mmap(0,1<<16,PROT_READ|PROT_WRITE|PROT_EXEC,MAP_PRIVATE|MAP_ANONYMOUS,-1,0); }
static u64 jitgen(unsigned d){ u32 n=30000/d; u64 s=0; for(u32 i=0;i<n;i++){ u8*p=jp+((i*64)&0xffff); p[0]=0xb8; u32 v=i*2654435761u; memcpy(p+1,&v,4); p[5]=0x35; v^=i; memcpy(p+6,&v,4); p[10]=0xc1; p[11]=0xc0; p[12]=i&31; p[13]=0xc3; u32(*f)(void)=(u32(*)(void))p; for(int k=0;k<20;k++) s=s*5+f(); } return s; }
struct bench b_sys[]={ {"syscall",0,sysc},{"forkexec",0,forkexec},{"pipe",0,pipepp},{"pgfault",0,pgf},{"gzip",gen,gz},{"gunzip",0,guz},{"gzcheck",0,gzsum_run},{"smc",smcset,smc},{"jitgen",jset,jitgen},{0} };
