/* Memory: string instructions, libc copies, plain loops, pointer chasing. */
#include "bench.h"
#include <sys/mman.h>
#define MB (4u<<20)
static u8 *A,*B;
static void mset(unsigned d){ A=malloc(MB+64); B=malloc(MB+64); u32 s=3; for(u32 i=0;i<MB;i++) A[i]=rnd(&s); memset(B,1,MB); }
static u64 fin(void){ return crc32_buf(0,A,65536)^((u64)crc32_buf(0,B+MB-65536,65536)<<32); }
#ifdef __x86_64__
#define REPM "rep movsq"
#define REPS "rep stosq"
#define WS 8
#else
#define REPM "rep movsl"
#define REPS "rep stosl"
#define WS 4
#endif
static void NOINLINE repmov(void*d,const void*s,size_t n){ n/=WS; __asm__ volatile("cld; " REPM:"+D"(d),"+S"(s),"+c"(n)::"memory"); }
static void NOINLINE repsto(void*d,u32 v,size_t n){ n/=WS; __asm__ volatile("cld; " REPS:"+D"(d),"+c"(n):"a"((unsigned long)v*0x1010101):"memory"); }
/* 4 MiB copy + 4 MiB fill per iteration => 8 MiB written */
static u64 m_rep(unsigned d){ u32 n=100/d; if(!n)n=1; for(u32 i=0;i<n;i++){ repmov(B,A,MB); repsto(A,i,MB/2); } return fin(); }
static u64 m_libc(unsigned d){ u32 n=100/d; if(!n)n=1; for(u32 i=0;i<n;i++){ memcpy(B,A,MB); memset(A,i&255,MB/2); __asm__ volatile("":::"memory"); } return fin(); }
static u64 m_loop(unsigned d){ u32 n=100/d; if(!n)n=1; for(u32 i=0;i<n;i++){ volatile u32 *p=(u32*)B; u32*q=(u32*)A; for(u32 k=0;k<MB/4;k++) p[k]=q[k]; p=(u32*)A; for(u32 k=0;k<MB/8;k++) p[k]=i; } return fin(); }
/* small copies: string-ish sizes via libc */
static u64 m_small(unsigned d){ u32 n=3000000/d,s=9; u64 h=0; for(u32 i=0;i<n;i++){ u32 r=rnd(&s); u32 o=r&0xffff, l=(r>>16)&127; memcpy(B+(o^0x5555),A+o,l); h+=B[o]; } return h^fin(); }
/* pointer chase over 64 MiB of 4 KiB pages, one 64-byte node each */
#define CN (1u<<20)
static u32 *ch;
static void chset(unsigned d){ ch=mmap(0,(size_t)CN*64,PROT_READ|PROT_WRITE,MAP_PRIVATE|MAP_ANONYMOUS,-1,0); madvise(ch,(size_t)CN*64,MADV_NOHUGEPAGE); u32*p=malloc(CN*4); for(u32 i=0;i<CN;i++)p[i]=i; u32 s=11; for(u32 i=CN-1;i>0;i--){ u32 j=(u32)(((u64)(rnd(&s)&0xffffff)*i)>>24); u32 t=p[i];p[i]=p[j];p[j]=t; } for(u32 i=0;i<CN;i++) ch[i*16]=p[i]*16; free(p); }
static u64 chase(unsigned d){ u32 n=4000000/d,x=0,h=0; for(u32 i=0;i<n;i++){ x=ch[x]; h^=x+i; } return ((u64)x<<32)|h; }
struct bench b_mem[]={ {"mem_rep",mset,m_rep},{"mem_libc",mset,m_libc},{"mem_loop",mset,m_loop},{"mem_small",mset,m_small},{"chase64M",chset,chase},{0} };
